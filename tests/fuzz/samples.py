"""Small files to begin with: of pydicom's those that are short, and some made here."""

import struct
import zlib
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Final

from isthmus.common.dicom.part10 import file_header
from tests.data_sets import pydicom_files
from tests.fuzz.refusals import PLANTED

LONGEST: Final = 3000
"""Bytes: what is longer is cut, as its pixels say nothing to a parser."""
_MANY: Final = 40
_SECONDARY_CAPTURE: Final = b"1.2.840.10008.5.1.4.1.1.7"
_LONG: Final = (b"OB", b"OW", b"OV", b"SQ", b"UN", b"UT")


@cache
def files() -> Sequence[bytes]:
    """Files of many encodings."""
    found = [file.read_bytes()[:LONGEST] for file in pydicom_files()[::4]][:_MANY]
    explicit, deflated = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.1.99"
    nested = element(0x00400275, b"SQ", item(element(0x00100010, b"PN", PLANTED.encode())), undefined=True)
    text = element(0x00081030, b"LO", PLANTED.encode() + b" ")
    long = element(0x00420011, b"OB", bytes(1100))
    body = _identity() + text + nested + long
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    packed = packer.compress(body) + packer.flush()
    return [
        *found,
        file_of(explicit, text, nested, long),
        header(deflated) + packed,
        header("1.2.840.10008.1.2")
        + _implicit(0x00080016, _SECONDARY_CAPTURE + b"\0")
        + _implicit(0x00080018, b"1.2.3\0"),
    ]


def file_of(transfer_syntax_uid: str, *elements: bytes) -> bytes:
    """Give a Part 10 file with these elements behind the UIDs."""
    return header(transfer_syntax_uid) + _identity() + b"".join(elements)


def header(transfer_syntax_uid: str) -> bytes:
    """Give what goes before a data set."""
    return file_header(
        sop_class_uid=_SECONDARY_CAPTURE.decode(),
        sop_instance_uid="1.2.3",
        transfer_syntax_uid=transfer_syntax_uid,
        source_ae_title=None,
    )


def _identity() -> bytes:
    uids = ((0x00080016, _SECONDARY_CAPTURE + b"\0"), (0x00080018, b"1.2.3\0"))
    levels = ((0x0020000D, b"1.2\0"), (0x0020000E, b"1.2.4\0"))
    return b"".join(element(tag, b"UI", value) for tag, value in (*uids, *levels))


def element(tag: int, vr: bytes, value: bytes, *, undefined: bool = False) -> bytes:
    """Give an element in Explicit VR Little Endian (PS3.5 7.1.2)."""
    if vr in _LONG:
        length = 0xFFFFFFFF if undefined else len(value)
        end = sequence_end() if undefined else b""
        return struct.pack("<HH2sxxL", tag >> 16, tag & 0xFFFF, vr, length) + value + end
    return struct.pack("<HH2sH", tag >> 16, tag & 0xFFFF, vr, len(value)) + value


def _implicit(tag: int, value: bytes) -> bytes:
    return struct.pack("<HHL", tag >> 16, tag & 0xFFFF, len(value)) + value


def item(content: bytes) -> bytes:
    """Give an item, or a fragment (PS3.5 7.5)."""
    return struct.pack("<HHL", 0xFFFE, 0xE000, len(content)) + content


def sequence_end() -> bytes:
    """Give the delimiter behind the last item."""
    return struct.pack("<HHL", 0xFFFE, 0xE0DD, 0)


def encapsulated(fragments: Iterable[bytes]) -> bytes:
    """Give encapsulated Pixel Data; the first fragment is the Basic Offset Table (PS3.5 A.4)."""
    return element(0x7FE00010, b"OB", b"".join(map(item, fragments)), undefined=True)
