"""Reading a data set forwards, element by element, without the values that nobody wants (PS3.5 Section 7).

It tolerates what pydicom does: a data set of another VR encoding than its transfer syntax says, elements
without a VR inside explicit ones, VRs that nobody knows.
"""

import os
import struct
from collections.abc import Iterator
from typing import BinaryIO, Final, NamedTuple

from isthmus.common.dicom.vrs import KNOWN_VRS, LONG_VRS, PIXEL_DATA
from isthmus.common.errors import MalformedDataset

UNDEFINED: Final = 0xFFFFFFFF
ITEM: Final = 0xFFFEE000
ITEM_DELIMITATION: Final = 0xFFFEE00D
SEQUENCE_DELIMITATION: Final = 0xFFFEE0DD
DEEPEST: Final = 64
"""Levels of sequences that are read; each costs stack."""

_VR_BYTES: Final = {vr.encode("ascii"): vr for vr in KNOWN_VRS}


class BrokenDataset(MalformedDataset):
    """The data set breaks off, or is not what its encoding says."""


class Encoding(NamedTuple):
    """How elements are encoded."""

    implicit: bool
    little_endian: bool


IMPLICIT_LITTLE: Final = Encoding(implicit=True, little_endian=True)


class Header(NamedTuple):
    """An element without its value."""

    tag: int
    vr: str | None
    """None where it has none; `UN` for one that nobody knows."""
    length: int
    position: int
    """Where its value begins."""
    encoding: Encoding

    @property
    def end(self) -> int | None:
        """Where its value ends, if its length says so."""
        return None if self.length == UNDEFINED else self.position + self.length


class ElementReader:
    """A place in a data set, which moves forwards only."""

    def __init__(self, source: BinaryIO, *, seekable: bool = True) -> None:
        """Begin at the position of `source`; one that is not seekable is read over instead."""
        self._source = source
        self._seekable = seekable
        self._peeked = b""
        self._depth = 0
        self.position = source.tell() if seekable else 0

    def read(self, size: int) -> bytes:
        """Give the next bytes.

        Raises:
            BrokenDataset: there are not as many.
        """
        data = self._read(size)
        if len(data) < size:
            raise BrokenDataset("The data set is truncated")
        return data

    def skip_to(self, position: int) -> None:
        """Go forwards.

        Raises:
            BrokenDataset: what is there overlaps with what was read.
        """
        distance = position - self.position
        if distance < 0:
            raise BrokenDataset("An element is longer than what it is in")
        dropped = len(self._peeked[:distance])
        self._peeked = self._peeked[dropped:]
        if self._seekable and distance > dropped:
            self._source.seek(position)
        while not self._seekable and dropped < distance:
            read = len(self._source.read(min(distance - dropped, 65536)))
            if not read:
                break
            dropped += read
        self.position = position

    def elements(self, end: int | None, encoding: Encoding, *, outermost: bool = False) -> Iterator[Header]:
        """Give the elements up to `end`, an item delimitation item or the end of the source.

        The values that are not read while an element is at hand are skipped.

        Args:
            end: Where the item ends; None if its length is undefined, or it is the whole data set.
            encoding: Of these elements.
            outermost: It is the whole data set, and no item.

        Raises:
            BrokenDataset: the data set cannot be read on.
        """
        while end is None or self.position < end:
            header = self._header(encoding)
            if header is None and not outermost:
                raise BrokenDataset("The data set is truncated")
            if header is None or header.tag == ITEM_DELIMITATION:
                return
            if header.tag >> 16 == 0xFFFE and (header.length or header.tag == ITEM):
                raise BrokenDataset("An item is where an element should be")
            yield header
            if header.end is not None:
                self.skip_to(header.end)
            elif self.position == header.position and not (outermost and self._skip_to_end(header)):
                self._skip_undefined(header)

    def items(self, header: Header) -> Iterator[tuple[int | None, Encoding]]:
        """Give the end of each item of a sequence, and its encoding; each must be read with `elements`.

        Raises:
            BrokenDataset: something else is in the sequence.
        """
        encoding = IMPLICIT_LITTLE if header.vr == "UN" else header.encoding
        for fragment in self.fragments(header):
            end = None if fragment.length == UNDEFINED else fragment.position + fragment.length
            yield end, self.actual_encoding(encoding, may_be_explicit=header.vr == "UN")

    def fragments(self, header: Header) -> Iterator[Header]:
        """Give the items of a sequence, or the fragments of an encapsulated value (PS3.5 A.4).

        Raises:
            BrokenDataset: something else is there.
        """
        order = "<" if header.encoding.little_endian else ">"
        while header.end is None or self.position < header.end:
            group, element, length = struct.unpack(f"{order}HHL", self.read(8))
            tag = group << 16 | element
            if tag == SEQUENCE_DELIMITATION:
                return
            if tag != ITEM:
                raise BrokenDataset("Something else than an item is in a sequence")
            fragment = Header(tag, None, length, self.position, header.encoding)
            yield fragment
            if fragment.end is not None:
                self.skip_to(fragment.end)

    def actual_encoding(self, encoding: Encoding, *, may_be_explicit: bool) -> Encoding:
        """Look whether the first element has a VR.

        A sequence may be implicit in an explicit data set; the other way round, a length may look like a VR.
        """
        first = self._peek(6)
        if len(first) < 6 or b"\xff\xfe" in (first[:2], first[1::-1]):
            return encoding
        if encoding.implicit:
            return encoding._replace(implicit=not (may_be_explicit and first[4:] in _VR_BYTES))
        return encoding._replace(implicit=not _is_vr(first[4:]))

    def _header(self, encoding: Encoding) -> Header | None:
        head = self._read(8)
        if len(head) < 8:
            return None
        order = "<" if encoding.little_endian else ">"
        group, element, length = struct.unpack(f"{order}HHL", head)
        tag = group << 16 | element
        if encoding.implicit or group == 0xFFFE or not _is_vr(head[4:6]):
            return Header(tag, None, length, self.position, encoding)
        vr = _VR_BYTES.get(head[4:6], "UN")
        (length,) = struct.unpack(f"{order}H", head[6:])
        # One that is not in the standard has the long form, unless the reserved bytes are not zero.
        if vr in LONG_VRS and not (length and head[4:6] not in _VR_BYTES):
            (length,) = struct.unpack(f"{order}L", self.read(4))
        return Header(tag, vr, length, self.position, encoding)

    def _skip_undefined(self, header: Header) -> None:
        if header.vr not in (None, "SQ", "UN") or header.tag in PIXEL_DATA:
            for _ in self.fragments(header):
                pass
            return
        if self._depth == DEEPEST:
            raise BrokenDataset("Its sequences are too deep")
        self._depth += 1
        for end, encoding in self.items(header):
            for _ in self.elements(end, encoding):
                pass
        self._depth -= 1

    def _skip_to_end(self, header: Header) -> bool:
        """Skip encapsulated pixel data if it is the last element, without going from fragment to fragment."""
        if header.tag not in PIXEL_DATA or not self._seekable:
            return False
        order = "<" if header.encoding.little_endian else ">"
        delimiter = struct.pack(f"{order}HHL", SEQUENCE_DELIMITATION >> 16, SEQUENCE_DELIMITATION & 0xFFFF, 0)
        size = self._source.seek(0, os.SEEK_END)
        self._source.seek(size - len(delimiter))
        is_last = self._source.read(len(delimiter)) == delimiter
        self.position = size if is_last else header.position
        self._peeked = b""
        self._source.seek(self.position)
        return is_last

    def _read(self, size: int) -> bytes:
        taken, self._peeked = self._peeked[:size], self._peeked[size:]
        data = taken + self._source.read(size - len(taken)) if len(taken) < size else taken
        self.position += len(data)
        return data

    def _peek(self, size: int) -> bytes:
        self._peeked += self._source.read(size - len(self._peeked))
        return self._peeked[:size]


def _is_vr(code: bytes) -> bool:
    return code.isalpha() and code.isupper()
