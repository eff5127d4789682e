"""What the operations give, and what one belongs to."""

from dataclasses import dataclass

from isthmus.common.dicom.raw_bytes import RawBytes


@dataclass(frozen=True, slots=True)
class FindResponse:
    """One match of a C-FIND (PS3.7 9.1.2)."""

    status: int
    """FF00, or FF01 where the origin does not support an optional key that was asked for."""
    data: bytes | None
    """The Identifier, as it came."""
    transfer_syntax_uid: str
    """What the Identifier is encoded in."""


@dataclass(frozen=True, slots=True)
class ReceivedInstance:
    """A C-STORE sub-operation of a C-GET (PS3.7 9.1.3)."""

    data: RawBytes
    """The data set, byte for byte as it came, good as long as it is held; a large one is in a file."""
    transfer_syntax_uid: str
    """Of the presentation context in which it came."""
    sop_class_uid: str
    sop_instance_uid: str
    """Both as the command says, which may cut them: the data set's own are the ones to trust."""


@dataclass(frozen=True, slots=True)
class SubOperations:
    """The counters of a C-GET or C-MOVE (PS3.7 9.1.3.1, 9.1.4.1); None where the origin did not say."""

    status: int
    completed: int | None
    failed: int | None
    warning: int | None
    remaining: int | None
    failed_sop_instance_uids: tuple[str, ...] = ()
    """Failed SOP Instance UID List (0008,0058), in the final response."""
    error_comment: str = ""
    """The origin's own words: they may hold anything, so they belong into no log."""


@dataclass(frozen=True, slots=True)
class StoreResult:
    """The origin's answer to a C-STORE (PS3.7 9.1.1)."""

    status: int
    error_comment: str = ""
    """The origin's own words: they may hold anything, so they belong into no log."""


@dataclass(frozen=True, slots=True)
class SubOperationOf:
    """The C-GET or C-MOVE request of which a C-STORE is a sub-operation (PS3.7 9.1.1.1)."""

    priority: int
    """Its Priority (0000,0700), which the sub-operations have too (PS3.4 C.4.2.1.2)."""
    move_originator: str | None = None
    """The AE title of who asked for a C-MOVE; None for a C-GET."""
    message_id: int | None = None
    """The Message ID of the C-MOVE."""
