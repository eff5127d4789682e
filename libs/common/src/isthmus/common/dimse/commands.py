"""The command sets that go out once for each instance or match: of C-STORE and C-FIND (PS3.7 9.3, E.1).

pynetdicom makes a pydicom data set of each and takes 0.3 ms for it, in which an origin waits to send the next
instance of a C-GET. Implicit VR Little Endian of six elements is no more than this.
"""

from collections.abc import Iterator
from struct import Struct
from typing import Final

from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.pdu_primitives import P_DATA

PDV_OVERHEAD: Final = 6
"""Length and context id of a PDV, and its message control header (PS3.8 D.1, E.2)."""

_HEAD: Final = Struct("<HHL")
_US: Final = Struct("<HHLH")
_UL: Final = Struct("<HHLL")
_COMMAND_LAST: Final = b"\x03"
_REQUEST: Final = 0x0001
_RESPONSE: Final = 0x8001
_FIND_RESPONSE: Final = 0x8020
_DATA_SET: Final = 0x0001
_NO_DATA_SET: Final = 0x0101


def store_request(message: C_STORE) -> bytes:
    """Encode the command set of a C-STORE-RQ that has a data set (PS3.7 9.3.1.1)."""
    return _command_set(
        _uid(0x0002, message.AffectedSOPClassUID),
        _number(0x0100, _REQUEST),
        _number(0x0110, message.MessageID or 0),
        _number(0x0700, message.Priority),
        _number(0x0800, _DATA_SET),
        _uid(0x1000, message.AffectedSOPInstanceUID),
        _move_originator(message),
    )


def store_response(message: C_STORE) -> bytes:
    """Encode the command set of a C-STORE-RSP that tells no more than its status (PS3.7 9.3.1.2)."""
    return _command_set(
        _uid(0x0002, message.AffectedSOPClassUID),
        _number(0x0100, _RESPONSE),
        _number(0x0120, message.MessageIDBeingRespondedTo or 0),
        _number(0x0800, _NO_DATA_SET),
        _number(0x0900, message.Status or 0),
        _uid(0x1000, message.AffectedSOPInstanceUID),
    )


def find_response(message_id: int, sop_class_uid: str, status: int) -> bytes:
    """Encode the command set of a C-FIND-RSP with an Identifier (PS3.7 9.3.2.2)."""
    return _command_set(
        _uid(0x0002, sop_class_uid),
        _number(0x0100, _FIND_RESPONSE),
        _number(0x0120, message_id),
        _number(0x0800, _DATA_SET),
        _number(0x0900, status),
    )


def fragments(command_set: bytes, context_id: int, size: int) -> Iterator[P_DATA]:
    """Cut a command set into PDVs of at most `size` bytes, one to a PDU (PS3.8 E.2)."""
    for start in range(0, len(command_set), size):
        last = start + size >= len(command_set)
        fragment = P_DATA()
        control = _COMMAND_LAST if last else b"\x01"
        fragment.presentation_data_value_list.append(
            (context_id, control + command_set[start : start + size])
        )
        yield fragment


def _command_set(*elements: bytes) -> bytes:
    rest = b"".join(elements)
    return _UL.pack(0x0000, 0x0000, 4, len(rest)) + rest


def _number(element: int, value: int) -> bytes:
    return _US.pack(0x0000, element, 2, value)


def _move_originator(message: C_STORE) -> bytes:
    """Encode who asked for a C-MOVE, and by which request, where this is a sub-operation of one."""
    title = message.MoveOriginatorApplicationEntityTitle
    if title is None:
        return b""
    value = title.encode("ascii")
    value += b" " * (len(value) % 2)
    by_request = _number(0x1031, message.MoveOriginatorMessageID or 0)
    return _HEAD.pack(0x0000, 0x1030, len(value)) + value + by_request


def _uid(element: int, uid: str | None) -> bytes:
    """Encode a UID; one that the origin left out is left out in the answer too."""
    if uid is None:
        return b""
    value = uid.encode("latin-1", "replace")
    value += b"\0" * (len(value) % 2)
    return _HEAD.pack(0x0000, element, len(value)) + value
