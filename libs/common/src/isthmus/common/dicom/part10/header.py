"""Write preamble, prefix and File Meta Information (PS3.10 7.1)."""

import struct
from typing import Final

from isthmus.common.dicom.uids import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from isthmus.common.errors import MalformedDataset

PREAMBLE_BYTES: Final = 128
PREFIX: Final = b"DICM"
_LONGEST: Final = 0xFFFE  # an even length of 16 bits


def file_header(
    *, sop_class_uid: str, sop_instance_uid: str, transfer_syntax_uid: str, source_ae_title: str | None
) -> bytes:
    """Give everything of a Part 10 file that comes before its data set (PS3.10 7.1).

    UIDs of more than 64 characters are written as they are.

    Args:
        sop_class_uid: of the instance.
        sop_instance_uid: of the instance.
        transfer_syntax_uid: in which the data set is encoded.
        source_ae_title: the AE title that sent it, where that is known.

    Raises:
        MalformedDataset: a UID is none that could be written; names the attribute.
    """
    elements = [
        _long_element(0x0001, b"OB", b"\x00\x01"),
        _uid(0x0002, "Media Storage SOP Class UID", sop_class_uid),
        _uid(0x0003, "Media Storage SOP Instance UID", sop_instance_uid),
        _uid(0x0010, "Transfer Syntax UID", transfer_syntax_uid),
        _uid(0x0012, "Implementation Class UID", IMPLEMENTATION_CLASS_UID),
        _element(0x0013, b"SH", _padded(IMPLEMENTATION_VERSION_NAME.encode("ascii"), b" ")),
    ]
    if source_ae_title and source_ae_title.strip():
        title = source_ae_title.strip().encode("ascii", "replace")
        elements.append(_element(0x0016, b"AE", _padded(title, b" ")))
    group = b"".join(elements)
    return bytes(PREAMBLE_BYTES) + PREFIX + _element(0x0000, b"UL", struct.pack("<L", len(group))) + group


def _uid(element: int, name: str, value: str) -> bytes:
    if not value.isascii() or len(value) > _LONGEST:
        raise MalformedDataset(f"{name} (0002,{element:04X}) is no UID")
    return _element(element, b"UI", _padded(value.encode("ascii"), b"\0"))


def _padded(value: bytes, padding: bytes) -> bytes:
    return value + padding if len(value) % 2 else value


def _element(element: int, vr: bytes, value: bytes) -> bytes:
    return struct.pack("<HH2sH", 0x0002, element, vr, len(value)) + value


def _long_element(element: int, vr: bytes, value: bytes) -> bytes:
    return struct.pack("<HH2sxxL", 0x0002, element, vr, len(value)) + value
