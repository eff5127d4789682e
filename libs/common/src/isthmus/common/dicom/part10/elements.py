"""Walk over encoded data elements without decoding their values (PS3.5 7.1, 7.5 and A.4)."""

from struct import Struct
from typing import Final, NamedTuple

from isthmus.common.errors import MalformedDataset

Buffer = bytes | bytearray | memoryview

UNDEFINED_LENGTH: Final = 0xFFFFFFFF
_ITEM: Final = 0xFFFEE000
_DELIMITERS: Final = frozenset({0xFFFEE00D, 0xFFFEE0DD})
_LONG_VRS: Final = frozenset(
    {b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"}
)
SHORT_VRS: Final = frozenset(
    {b"AE", b"AS", b"AT", b"CS", b"DA", b"DS", b"DT", b"FD", b"FL", b"IS", b"LO", b"LT", b"PN"}
    | {b"SH", b"SL", b"SS", b"ST", b"TM", b"UI", b"UL", b"US"}
)


class CutShort(MalformedDataset):
    """The bytes end before what was looked for; more of them may hold it. Never leaves this package."""


class Encoding(NamedTuple):
    """How the elements of a data set are encoded."""

    explicit: bool
    short_header: Struct
    """Tag, VR and a length of 16 bits."""
    long_header: Struct
    """Tag and a length of 32 bits, as in Implicit VR."""
    length: Struct


IMPLICIT_LITTLE: Final = Encoding(False, Struct("<HH2sH"), Struct("<HHL"), Struct("<L"))
EXPLICIT_LITTLE: Final = Encoding(True, Struct("<HH2sH"), Struct("<HHL"), Struct("<L"))
EXPLICIT_BIG: Final = Encoding(True, Struct(">HH2sH"), Struct(">HHL"), Struct(">L"))


class Element(NamedTuple):
    """Where the value of a data element lies."""

    tag: int
    value_offset: int
    length: int
    inner: Encoding
    """How the elements inside it are encoded, if it has any."""


def is_vr(code: Buffer) -> bool:
    """Tell whether two bytes could be a VR, a future one too: no length is that large by chance."""
    return len(code) == 2 and 0x41 <= code[0] <= 0x5A and 0x41 <= code[1] <= 0x5A


def element_at(data: Buffer, offset: int, encoding: Encoding) -> Element:
    """Read the header of the element, item or delimiter at an offset.

    An element without a VR in an Explicit VR data set is read as Implicit VR: some devices mix them.

    Raises:
        CutShort: the bytes end within it.
    """
    if offset + 8 > len(data):
        raise CutShort("The data set ends within an element")
    group, number, vr, length = encoding.short_header.unpack_from(data, offset)
    tag = group << 16 | number
    if vr in SHORT_VRS and encoding.explicit:
        return Element(tag, offset + 8, length, encoding)
    if not encoding.explicit or group == 0xFFFE or not is_vr(vr):
        return Element(tag, offset + 8, encoding.length.unpack_from(data, offset + 4)[0], encoding)
    if vr not in _LONG_VRS and length:
        # A VR that is not in the standard, and the reserved bytes of the long form are not zero.
        return Element(tag, offset + 8, length, encoding)
    if offset + 12 > len(data):
        raise CutShort("The data set ends within an element")
    # What is inside UN of undefined length is in Implicit VR Little Endian (PS3.5 6.2.2 note 4).
    inner = IMPLICIT_LITTLE if vr == b"UN" else encoding
    return Element(tag, offset + 12, encoding.length.unpack_from(data, offset + 8)[0], inner)


def end_of(data: Buffer, element: Element) -> int:
    """Give the offset behind an element's value; it may lie behind the end of the bytes.

    Raises:
        CutShort: the length is undefined, and the bytes end before its delimiter.
    """
    if element.length != UNDEFINED_LENGTH:
        return element.value_offset + element.length
    offset = element.value_offset
    # One entry for each sequence and item of undefined length that is open; no recursion, because the
    # depth is the sender's choice.
    opened = [element.inner]
    while opened:
        inside = element_at(data, offset, opened[-1])
        if inside.tag in _DELIMITERS:
            opened.pop()
            offset = inside.value_offset
        elif inside.length == UNDEFINED_LENGTH:
            opened.append(opened[-1] if inside.tag == _ITEM else inside.inner)
            offset = inside.value_offset
        else:
            offset = inside.value_offset + inside.length
    return offset
