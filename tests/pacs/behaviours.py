"""What a PACS may do to us, one class for each, to be combined at will.

A behaviour overrides the hooks that it needs; the provider calls the hooks of all behaviours that apply to an
operation. To add one, write the class and name it in `BEHAVIOURS`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import ClassVar, Final

from tests.pacs.archive import UNIQUE_KEYS, Instance
from tests.pacs.events import Operation

RETRIEVES: Final = frozenset({Operation.GET, Operation.MOVE})
DIMSE: Final = frozenset(Operation) - {Operation.ASSOCIATE}


class BreaksOff(Exception):
    """The PACS aborts the association now."""


class Fails(Exception):
    """The PACS ends the operation with this status."""

    def __init__(self, status: int) -> None:
        super().__init__(f"{status:04X}")
        self.status = status


@dataclass(frozen=True, kw_only=True)
class Behaviour:
    """A misbehaviour; as it stands here, none."""

    operations: ClassVar[frozenset[Operation]] = frozenset()
    """What it applies to."""

    times: int | None = None
    """To how many operations it applies, from the first one on; to all without it."""

    def refuses(self) -> bool:
        """Whether the association is rejected."""
        return False

    def answers(self) -> bool:
        """Whether the operation gets any response."""
        return True

    def ignored_keys(self, keywords: Sequence[str]) -> set[str]:
        """The matching keys that it takes no notice of."""
        return set()

    def on_match(self, number: int) -> None:
        """Called before each match of C-FIND and before its end; raises `Fails` or `BreaksOff`."""

    def choose(self, instances: list[Instance]) -> list[Instance]:
        """The sub-operations of a retrieve, out of what should be sent."""
        return instances

    def pause_seconds(self) -> float:
        """The wait before each sub-operation; a C-CANCEL interrupts it."""
        return 0

    def suboperation_status(self, instance: Instance) -> int:
        """The status of a sub-operation; with another one than 0000 the instance is not sent."""
        return 0x0000

    def on_progress(self, sent: int) -> None:
        """Called with 0 before the first sub-operation and with the count after each; raises `BreaksOff`."""

    def store_status(self, sop_instance_uid: str) -> int:
        """The status with which it answers C-STORE; it keeps the instance if that is no failure."""
        return 0x0000


@dataclass(frozen=True, kw_only=True)
class RefusesAssociation(Behaviour):
    """Rejects the association: transient, by the service user, no reason given (PS3.8 9.3.4)."""

    operations = frozenset({Operation.ASSOCIATE})

    def refuses(self) -> bool:
        return True


@dataclass(frozen=True, kw_only=True)
class Silent(Behaviour):
    """Accepts the association and never answers an operation."""

    operations = DIMSE

    def answers(self) -> bool:
        return False


@dataclass(frozen=True, kw_only=True)
class AbortsAfter(Behaviour):
    """Aborts the association of a retrieve when it has sent so many instances."""

    operations = RETRIEVES
    instances: int

    def on_progress(self, sent: int) -> None:
        if sent == self.instances:
            raise BreaksOff


@dataclass(frozen=True, kw_only=True)
class FailsSuboperations(Behaviour):
    """Does not send these instances: {SOP Instance UID: the status of its sub-operation}."""

    operations = RETRIEVES
    statuses: Mapping[str, int]

    def suboperation_status(self, instance: Instance) -> int:
        return self.statuses.get(instance.sop_instance_uid, 0x0000)


@dataclass(frozen=True, kw_only=True)
class SuccessWithNothingSent(Behaviour):
    """Answers a retrieve with 0000 and no sub-operation at all."""

    operations = RETRIEVES

    def choose(self, instances: list[Instance]) -> list[Instance]:
        return []


@dataclass(frozen=True, kw_only=True)
class IgnoresMatchingKeys(Behaviour):
    """Finds what these keys exclude: the named ones, or all but the UIDs of the hierarchy."""

    operations = frozenset({Operation.FIND})
    keywords: Sequence[str] = ()

    def ignored_keys(self, keywords: Sequence[str]) -> set[str]:
        return set(self.keywords or keywords) - UNIQUE_KEYS


@dataclass(frozen=True, kw_only=True)
class SendsTwice(Behaviour):
    """Sends one instance two times: this one, or the first."""

    operations = RETRIEVES
    sop_instance_uid: str = ""

    def choose(self, instances: list[Instance]) -> list[Instance]:
        twice: list[Instance] = []
        for number, instance in enumerate(instances):
            wanted = (
                instance.sop_instance_uid == self.sop_instance_uid if self.sop_instance_uid else number == 0
            )
            twice += [instance] * (2 if wanted else 1)
        return twice


@dataclass(frozen=True, kw_only=True)
class FindFails(Behaviour):
    """Ends C-FIND with a failure status after so many matches, if it has as many."""

    operations = frozenset({Operation.FIND})
    status: int
    matches: int = 0

    def on_match(self, number: int) -> None:
        if number == self.matches:
            raise Fails(self.status)


@dataclass(frozen=True, kw_only=True)
class StoreStatus(Behaviour):
    """Answers C-STORE with a status: for these instances, or for all."""

    operations = frozenset({Operation.STORE})
    status: int
    instances: Sequence[str] = ()

    def store_status(self, sop_instance_uid: str) -> int:
        return self.status if not self.instances or sop_instance_uid in self.instances else 0x0000


@dataclass(frozen=True, kw_only=True)
class Slow(Behaviour):
    """Waits before each sub-operation."""

    operations = RETRIEVES
    seconds: float

    def pause_seconds(self) -> float:
        return self.seconds


BEHAVIOURS: Final[Mapping[str, type[Behaviour]]] = {
    kind.__name__: kind
    for kind in (
        RefusesAssociation,
        Silent,
        AbortsAfter,
        FailsSuboperations,
        SuccessWithNothingSent,
        IgnoresMatchingKeys,
        SendsTwice,
        FindFails,
        StoreStatus,
        Slow,
    )
}


def to_json(behaviours: Sequence[Behaviour]) -> list[tuple[str, dict[str, object]]]:
    """How behaviours travel to the PACS's process."""
    return [(type(behaviour).__name__, asdict(behaviour)) for behaviour in behaviours]


def from_json(behaviours: Sequence[tuple[str, Mapping[str, object]]]) -> list[Behaviour]:
    """The behaviours that `to_json` made this from."""
    return [_make(name, fields) for name, fields in behaviours]


def _make(name: str, fields: Mapping[str, object]) -> Behaviour:
    kind = BEHAVIOURS[name]
    return kind(**fields)  # type: ignore[arg-type]  # the fields are those of a dataclass that was valid


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
