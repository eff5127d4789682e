"""What a PACS may do to C-GET and C-MOVE as a whole: refuse, lie, stop, go on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from pydicom.uid import UID

from tests.pacs.archive import Instance
from tests.pacs.behaviour import RETRIEVES, SUCCESS, Ask, Behaviour, Counters, Fails
from tests.pacs.events import Operation

CANCEL: Final = 0xFE00
UNABLE_TO_PROCESS: Final = 0xC000
OUT_OF_RESOURCES: Final = 0xA702
WITHOUT_PIXELS: Final = frozenset(
    {
        "1.2.840.10008.5.1.4.1.1.88.11",
        "1.2.840.10008.5.1.4.1.1.88.22",
        "1.2.840.10008.5.1.4.1.1.88.33",
        "1.2.840.10008.5.1.4.1.1.88.59",
        "1.2.840.10008.5.1.4.1.1.11.1",
    }
)
"""Basic Text, Enhanced and Comprehensive SR, Key Object Selection, Grayscale Softcopy Presentation State."""


@dataclass(frozen=True, kw_only=True)
class FailsRetrieve(Behaviour):
    """Ends a retrieve with this status at once: every one, or those of these levels, or with UID lists."""

    operations = RETRIEVES
    status: int
    levels: Sequence[str] = ()
    only_lists: bool = False

    def on_ask(self, ask: Ask) -> None:
        if (not self.levels or ask.level in self.levels) and (not self.only_lists or ask.uids > 1):
            raise Fails(self.status)


@dataclass(frozen=True, kw_only=True)
class RefusesCompressed(Behaviour):
    """Fails with A702 when compressed syntaxes are offered: for any class, or one without pixels."""

    operations = RETRIEVES
    only_without_pixels: bool = False

    def on_ask(self, ask: Ask) -> None:
        for sop_class_uid, syntax in ask.offered:
            concerned = not self.only_without_pixels or sop_class_uid in WITHOUT_PIXELS
            if concerned and UID(syntax).is_transfer_syntax and UID(syntax).is_compressed:
                raise Fails(OUT_OF_RESOURCES)


@dataclass(frozen=True, kw_only=True)
class SendsOnlyWhereCompressedIsOffered(Behaviour):
    """Answers 0000 with no sub-operation for instances in whose class only native syntaxes are offered."""

    operations = frozenset({Operation.GET})

    def choose(self, ask: Ask, instances: list[Instance]) -> list[Instance]:
        classes = {
            name
            for name, syntax in ask.offered
            if UID(syntax).is_transfer_syntax and UID(syntax).is_compressed
        }
        return [instance for instance in instances if instance.sop_class_uid in classes]


@dataclass(frozen=True, kw_only=True)
class SuccessWithNothingSent(Behaviour):
    """Answers a retrieve with 0000 and no sub-operation at all."""

    operations = RETRIEVES
    beyond: int = 0
    """How many instances in one retrieve are not too many for it."""

    def choose(self, ask: Ask, instances: list[Instance]) -> list[Instance]:
        return instances if len(instances) <= self.beyond else []


@dataclass(frozen=True, kw_only=True)
class SeriesIsOffline(Behaviour):
    """Says success, and sends nothing of this series."""

    operations = RETRIEVES
    series_instance_uid: str

    def choose(self, ask: Ask, instances: list[Instance]) -> list[Instance]:
        return [one for one in instances if one.uid("SERIES") != self.series_instance_uid]


@dataclass(frozen=True, kw_only=True)
class SendsTwice(Behaviour):
    """Sends one instance two times: this one, or the first."""

    operations = RETRIEVES
    sop_instance_uid: str = ""

    def choose(self, ask: Ask, instances: list[Instance]) -> list[Instance]:
        twice: list[Instance] = []
        for number, instance in enumerate(instances):
            wanted = (
                instance.sop_instance_uid == self.sop_instance_uid if self.sop_instance_uid else number == 0
            )
            twice += [instance] * (2 if wanted else 1)
        return twice


@dataclass(frozen=True, kw_only=True)
class SendsAnother(Behaviour):
    """Sends an instance that nobody asked for, before the last of those that somebody did."""

    operations = RETRIEVES
    sop_instance_uid: str

    def choose(self, ask: Ask, instances: list[Instance]) -> list[Instance]:
        others = [one for one in ask.held if one.sop_instance_uid == self.sop_instance_uid]
        return [*instances[:-1], *others, *instances[-1:]]


@dataclass(frozen=True, kw_only=True)
class FailsSuboperations(Behaviour):
    """Does not send these instances: {SOP Instance UID: the status of its sub-operation}."""

    operations = RETRIEVES
    statuses: Mapping[str, int]

    def suboperation_status(self, instance: Instance) -> int:
        return self.statuses.get(instance.sop_instance_uid, SUCCESS)


@dataclass(frozen=True, kw_only=True)
class StopsAtFailure(Behaviour):
    """Ends a retrieve with C000 at the first failed sub-operation; what is behind it is not counted."""

    operations = RETRIEVES

    def on_failed_suboperation(self) -> None:
        raise Fails(UNABLE_TO_PROCESS)


@dataclass(frozen=True, kw_only=True)
class SaysSuccess(Behaviour):
    """Ends a retrieve with 0000 whatever failed; its counters tell, lie, or are absent."""

    operations = RETRIEVES
    counters: Literal["true", "wrong", "absent"] = "true"

    def end(self, status: int, counters: Counters | None) -> tuple[int, Counters | None]:
        if status == CANCEL or counters is None:
            return status, counters
        if self.counters == "absent":
            return SUCCESS, None
        if self.counters == "wrong":
            counters = Counters(0, counters.completed + counters.remaining + len(counters.failed))
        return SUCCESS, counters


@dataclass(frozen=True, kw_only=True)
class SaysNothingMeanwhile(Behaviour):
    """Sends no pending responses."""

    operations = RETRIEVES

    def tells_progress(self) -> bool:
        return False


@dataclass(frozen=True, kw_only=True)
class IgnoresCancel(Behaviour):
    """Goes on after a C-CANCEL: to the end, or for so many instances."""

    operations = RETRIEVES
    instances: int | None = None

    def heeds_cancel(self, sent_since: int) -> bool:
        return self.instances is not None and sent_since >= self.instances


@dataclass(frozen=True, kw_only=True)
class AbortsWhenCancelled(Behaviour):
    """Stops after a C-CANCEL, does not answer it, and aborts so many seconds later."""

    operations = RETRIEVES
    seconds: float

    def hangs_when_cancelled(self) -> float | None:
        return self.seconds
