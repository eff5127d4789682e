"""What a PACS may do to us, one class for each, to be combined at will.

A behaviour overrides the hooks of `Behaviour` that it needs; the provider calls the hooks of all behaviours
that apply to an operation. To add one, write the class into the module of what it is about, and name it here.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Final

from tests.pacs import on_association, on_find, on_retrieve, on_sending
from tests.pacs.behaviour import Behaviour
from tests.pacs.events import Operation

BEHAVIOURS: Final[Mapping[str, Callable[..., Behaviour]]] = {
    kind.__name__: kind
    for kind in (
        on_association.Comments,
        on_association.RefusesAssociation,
        on_association.QueuesAssociation,
        on_association.Silent,
        on_association.ForgetsAssociation,
        on_association.DropsIdleAssociation,
        on_association.AbortsAfter,
        on_association.BreaksOffInDataSet,
        on_find.IgnoresMatchingKeys,
        on_find.IgnoresUIDs,
        on_find.FindFails,
        on_find.FindEndsLate,
        on_find.LosesFile,
        on_find.CapsMatches,
        on_find.ListsMore,
        on_find.CountsWrongly,
        on_find.ListsCutUIDs,
        on_find.LeavesOut,
        on_find.Shuffles,
        on_find.TellsAvailability,
        on_retrieve.FailsRetrieve,
        on_retrieve.RefusesCompressed,
        on_retrieve.SendsOnlyWhereCompressedIsOffered,
        on_retrieve.SuccessWithNothingSent,
        on_retrieve.SeriesIsOffline,
        on_retrieve.SendsTwice,
        on_retrieve.SendsAnother,
        on_retrieve.FailsSuboperations,
        on_retrieve.StopsAtFailure,
        on_retrieve.SaysSuccess,
        on_retrieve.SaysNothingMeanwhile,
        on_retrieve.IgnoresCancel,
        on_retrieve.AbortsWhenCancelled,
        on_sending.Slow,
        on_sending.Trickles,
        on_sending.SendsOtherBytes,
        on_sending.SendsInFirstContext,
        on_sending.SendsCutUIDs,
        on_sending.NamesWrongOriginator,
        on_sending.SendsOverSeveral,
        on_sending.SendsAfterTheEnd,
        on_sending.StoreStatus,
    )
}


def to_json(behaviours: Sequence[Behaviour]) -> list[tuple[str, dict[str, object]]]:
    """How behaviours travel to the PACS's process."""
    return [(type(behaviour).__name__, asdict(behaviour)) for behaviour in behaviours]


def from_json(behaviours: Sequence[tuple[str, Mapping[str, object]]]) -> list[Behaviour]:
    """The behaviours that `to_json` made this from."""
    return [BEHAVIOURS[name](**fields) for name, fields in behaviours]


class Active:
    """The behaviours of now; counts the operations that each has had."""

    def __init__(self, behaviours: Sequence[Behaviour]) -> None:
        self._behaviours = list(behaviours)
        self._applied = [0] * len(self._behaviours)

    def to(self, operation: Operation) -> Iterator[Behaviour]:
        """Those that apply to an operation that begins now."""
        for index, behaviour in enumerate(self._behaviours):
            if operation not in behaviour.operations:
                continue
            self._applied[index] += 1
            if behaviour.times is None or self._applied[index] <= behaviour.times:
                yield behaviour
