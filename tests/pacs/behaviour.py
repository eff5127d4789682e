"""What a misbehaviour may change: the hooks, and what they are given."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Final

from pydicom.dataset import Dataset

from tests.pacs.archive import Instance
from tests.pacs.events import Operation

SUCCESS: Final = 0x0000
RETRIEVES: Final = frozenset({Operation.GET, Operation.MOVE})
DIMSE: Final = frozenset(Operation) - {Operation.ASSOCIATE}


class BreaksOff(Exception):
    """The PACS aborts the association now, or resets its connection."""

    def __init__(self, *, reset: bool = False) -> None:
        super().__init__()
        self.reset = reset


class Fails(Exception):
    """The PACS ends the operation with this status."""

    def __init__(self, status: int) -> None:
        super().__init__(f"{status:04X}")
        self.status = status


@dataclass(frozen=True, kw_only=True)
class Ask:
    """What a retrieve asks for, and how it may be answered."""

    level: str
    uids: int
    """How many UIDs the key of the level has."""
    offered: frozenset[tuple[str, str]]
    """The pairs of SOP class and transfer syntax that the association's requestor proposed."""
    held: Sequence[Instance]
    """Everything that the PACS has."""


@dataclass
class Counters:
    """The sub-operations of a retrieve (PS3.7 9.1.3.1)."""

    remaining: int
    completed: int = 0
    warning: int = 0
    failed: list[str] = field(default_factory=list)

    def count(self, instance: Instance, status: int) -> None:
        """One more has this status."""
        self.remaining -= 1
        if status == SUCCESS:
            self.completed += 1
        elif status & 0xF000 == 0xB000:
            self.warning += 1
        else:
            self.failed.append(instance.sop_instance_uid)


@dataclass(frozen=True, kw_only=True)
class Transmission:
    """How a sub-operation sends its instance."""

    instance: Instance
    data: bytes
    command_uid: str
    """Affected SOP Instance UID."""
    originator: tuple[str | None, int | None] = (None, None)
    """Move Originator Application Entity Title and Message ID (PS3.7 9.1.1.1)."""
    transcoded: bool = False
    """Whether it goes into the first context of its class, as that one's transfer syntax has it."""
    fragments: int = 1
    """In how many pieces the data set goes out, at least."""
    fragment_seconds: float = 0
    """The pause before each of them."""
    breaks_off: BreaksOff | None = None
    """What happens before the last of them."""


def comment_of(behaviours: "Sequence[Behaviour]") -> str:
    """Give what the first of them says that says anything."""
    return next(filter(None, (behaviour.error_comment() for behaviour in behaviours)), "")


@dataclass(frozen=True, kw_only=True)
class Behaviour:
    """A misbehaviour; as it stands here, none."""

    operations: ClassVar[frozenset[Operation]] = frozenset()
    """What it applies to."""

    times: int | None = None
    """To how many operations it applies, from the first one on; to all without it."""

    def refuses(self, open_now: int) -> bool:
        """Whether the association is rejected, while so many others are open."""
        return False

    def keeps_waiting(self, open_now: int) -> bool:
        """Whether the association request is never answered, while so many others are open."""
        return False

    def answers(self, before: int) -> bool:
        """Whether the operation gets any response, after so many others on its association."""
        return True

    def drops(self) -> bool:
        """Whether the connection is closed, without a word, once the operation has ended."""
        return False

    def ignored_keys(self, keywords: Sequence[str]) -> set[str]:
        """The matching keys that it takes no notice of."""
        return set()

    def select_matches(self, level: str, matches: list[Dataset]) -> list[Dataset]:
        """The matches that it gives, out of what should be given; raises `Fails`."""
        return matches

    def on_match(self, number: int) -> None:
        """Called before each match of C-FIND and before its end; raises `Fails` or `BreaksOff`."""

    def on_ask(self, ask: Ask) -> None:
        """Called before a retrieve; raises `Fails`."""

    def choose(self, ask: Ask, instances: list[Instance]) -> list[Instance]:
        """The sub-operations of a retrieve, out of what should be sent."""
        return instances

    def associations(self) -> int:
        """Over how many at once a C-MOVE sends."""
        return 1

    def pause_seconds(self) -> float:
        """The wait before each sub-operation, or before C-FIND ends; a C-CANCEL interrupts it if heeded."""
        return 0

    def heeds_cancel(self, sent_since: int) -> bool:
        """Whether a C-CANCEL stops it, when it has sent so many instances since."""
        return True

    def hangs_when_cancelled(self) -> float | None:
        """How many seconds after a C-CANCEL it aborts, instead of answering it."""
        return None

    def suboperation_status(self, instance: Instance) -> int:
        """The status of a sub-operation; with another one than 0000 the instance is not sent."""
        return SUCCESS

    def transmit(self, transmission: Transmission, number: int) -> Transmission:
        """Changes how an instance is sent, the `number`th of the operation, from 0."""
        return transmission

    def on_progress(self, sent: int) -> None:
        """Called with 0 before the first sub-operation and with the count after each; raises `BreaksOff`."""

    def on_failed_suboperation(self) -> None:
        """Called after each failed one; raises `Fails`."""

    def tells_progress(self) -> bool:
        """Whether there are pending responses."""
        return True

    def late(self) -> int:
        """How many of the last instances of a C-MOVE are sent after its final response."""
        return 0

    def end(self, status: int, counters: Counters | None) -> tuple[int, Counters | None]:
        """The final response to a retrieve, out of what it should be; without counters it has none."""
        return status, counters

    def error_comment(self) -> str:
        """What it says of an operation that does not end with success (Error Comment, PS3.7 C)."""
        return ""

    def store_status(self, sop_instance_uid: str) -> int:
        """The status with which it answers C-STORE; it keeps the instance if that is no failure."""
        return SUCCESS
