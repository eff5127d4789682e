"""What the PACS tells the test about what it sees, as lines of JSON."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Self


class Operation(StrEnum):
    """What a client asks a PACS for."""

    ASSOCIATE = "A-ASSOCIATE"
    ECHO = "C-ECHO"
    FIND = "C-FIND"
    GET = "C-GET"
    MOVE = "C-MOVE"
    STORE = "C-STORE"


class Kind(StrEnum):
    """What happened."""

    LISTENING = "listening"
    BEHAVES = "behaves"
    """The behaviours were changed."""
    SYNCHRONISED = "synchronised"
    """The answer to the test's question whether all has been told."""
    REJECTED = "rejected"
    KEPT_WAITING = "kept waiting"
    """An association was requested, and is never answered."""
    OPENED = "opened"
    CLOSED = "closed"
    BEGUN = "begun"
    """An operation came in."""
    SENT = "sent"
    """A sub-operation had its response, with this status."""
    CANCELLED = "cancelled"
    """A C-CANCEL came in."""
    ENDED = "ended"
    """An operation got its final response, with this status."""


@dataclass(frozen=True, kw_only=True)
class Event:
    """One thing that happened; what does not belong to its kind is empty."""

    kind: Kind
    port: int = 0
    association: int = 0
    """Which one; they are counted from 1."""
    calling: str = ""
    contexts: Sequence[tuple[str, Sequence[str]]] = ()
    """The proposed presentation contexts: abstract syntax, transfer syntaxes."""
    operation: Operation | None = None
    level: str = ""
    keys: Mapping[str, str] = field(default_factory=dict)
    """The identifier's attributes by keyword, without the level; several values with backslashes between."""
    sop_instance_uid: str = ""
    status: int | None = None
    file: str = ""
    """Where a stored instance is."""

    def to_json(self) -> dict[str, object]:
        """What `from_json` takes."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, object]) -> Self:
        """The event of this JSON."""
        event = cls(**values)  # type: ignore[arg-type]  # written by to_json
        contexts = tuple((abstract, tuple(transfer)) for abstract, transfer in event.contexts)
        operation = Operation(event.operation) if event.operation else None
        return cls(**{**values, "kind": Kind(event.kind), "operation": operation, "contexts": contexts})  # type: ignore[arg-type]  # as above
