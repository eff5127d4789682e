"""Identifiers: the data sets of queries, and the list of what failed (PS3.4 C.4)."""

import struct
from collections.abc import Iterator
from io import BytesIO
from typing import Final

from pydicom.dataset import Dataset
from pydicom.uid import UID, ImplicitVRLittleEndian
from pynetdicom.dsutils import encode

from isthmus.common.errors import InvalidParameter

_FAILED_SOP_INSTANCE_UID_LIST: Final = (0x0008, 0x0058)
_LONG_VRS: Final = frozenset(
    {b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"}
)
"""Value representations with a length of 32 bits (PS3.5 7.1.2)."""
_UNDEFINED: Final = 0xFFFFFFFF


def encode_identifier(identifier: Dataset, transfer_syntax_uid: str) -> BytesIO:
    """Write an identifier in the syntax of its presentation context.

    Raises:
        InvalidParameter: a value that its VR cannot hold.
    """
    syntax = UID(transfer_syntax_uid)
    encoded = encode(identifier, syntax.is_implicit_VR, syntax.is_little_endian, syntax.is_deflated)
    if encoded is None:
        raise InvalidParameter("identifier", "holds a value that cannot be written")
    return BytesIO(encoded)


def failed_sop_instance_uids(identifier: bytes, transfer_syntax_uid: str) -> tuple[str, ...]:
    """Read the Failed SOP Instance UID List (0008,0058) of a final C-GET or C-MOVE response.

    Args:
        identifier: as it came; what cannot be read gives an empty list, as does one without the attribute.
        transfer_syntax_uid: implicit or explicit VR little endian: no others are proposed for retrieving.
    """
    for tag, value in _elements(identifier, transfer_syntax_uid == ImplicitVRLittleEndian):
        if tag == _FAILED_SOP_INSTANCE_UID_LIST:
            names = (name.strip("\0 ") for name in value.decode("ascii", "replace").split("\\"))
            return tuple(name for name in names if name)
    return ()


def _elements(data: bytes, implicit: bool) -> Iterator[tuple[tuple[int, int], bytes]]:
    offset = 0
    while offset + 8 <= len(data):
        group, element = struct.unpack_from("<HH", data, offset)
        if implicit:
            header, (length,) = 8, struct.unpack_from("<L", data, offset + 4)
        elif data[offset + 4 : offset + 6] not in _LONG_VRS:
            header, (length,) = 8, struct.unpack_from("<H", data, offset + 6)
        elif offset + 12 <= len(data):
            header, (length,) = 12, struct.unpack_from("<L", data, offset + 8)
        else:
            return
        if length == _UNDEFINED:
            return
        yield (group, element), data[offset + header : offset + header + length]
        offset += header + length
