"""Data sets in Explicit VR Little Endian (PS3.5 A.2), whatever they are encoded in; values stay the same."""

import struct
from collections.abc import Iterator
from typing import Final

from isthmus.common.dicom.dataset_source import OpenDataset
from isthmus.common.dicom.element_reader import (
    DEEPEST,
    ITEM,
    ITEM_DELIMITATION,
    SEQUENCE_DELIMITATION,
    UNDEFINED,
    BrokenDataset,
    Encoding,
    Header,
)
from isthmus.common.dicom.json_values import decode_text, swapped
from isthmus.common.dicom.value_representations import Scope
from isthmus.common.dicom.vrs import LONG_VRS, WORD_SIZES, padding_of

EXPLICIT_VR_LITTLE_ENDIAN: Final = "1.2.840.10008.1.2.1"
_CHUNK: Final = 1024 * 1024
"""A whole number of words of any size."""
_EXPLICIT_LITTLE: Final = Encoding(implicit=False, little_endian=True)
_LONGEST_SHORT: Final = 0xFFFE
_LONGEST_SAID: Final = 1024
"""Bytes of a value that says something about those that follow."""
_TRAILING_PADDING: Final = 0xFFFCFFFC


def explicit_elements(dataset: OpenDataset) -> Iterator[tuple[Header, Iterator[bytes]]]:
    """Give the elements of a data set, each with what writes it in Explicit VR Little Endian.

    What is not written is skipped. Group lengths and padding at the end are left out, as they would be wrong;
    in sequences of defined length that are in this encoding already, they stay. An element whose VR is
    nowhere to be found, or whose value is too long for its VR, has UN (PS3.5 6.2.2).

    Args:
        dataset: At its first element.

    Raises:
        BrokenDataset: it cannot be read on; also from within an element.
    """
    writer = _Writer(dataset)
    for header in dataset.reader.elements(None, dataset.encoding, outermost=True):
        if stays(header):
            yield header, writer.element(header, writer.scope, 0)


class _Writer:
    def __init__(self, dataset: OpenDataset) -> None:
        self.scope = Scope()
        self._reader = dataset.reader

    def element(self, header: Header, scope: Scope, depth: int) -> Iterator[bytes]:
        """Write an element and what is in it."""
        vr = scope.vr_of(header.tag, header.vr, undefined_length=header.length == UNDEFINED)
        if header.vr == "UN" and header.length != UNDEFINED:
            vr = "UN"  # in little endian, and with sequences in Implicit VR, whatever it is (PS3.5 6.2.2)
        if vr == "SQ" and not (header.encoding == _EXPLICIT_LITTLE and header.length != UNDEFINED):
            yield from self._sequence(header, scope, depth)
        elif header.length == UNDEFINED:
            yield from self._fragments(header, vr)
        else:
            yield from self._value(header, vr, scope)

    def _value(self, header: Header, vr: str, scope: Scope) -> Iterator[bytes]:
        length = header.length + header.length % 2
        if vr not in LONG_VRS and length > _LONGEST_SHORT:
            vr = "UN"
        yield element_head(header.tag, vr, length)
        word = 1 if header.encoding.little_endian or header.vr == "UN" else WORD_SIZES.get(vr, 1)
        for start in range(0, header.length, _CHUNK):
            piece = swapped(self._reader.read(min(_CHUNK, header.length - start)), word)
            if header.length <= _LONGEST_SAID and Scope.depends_on(header.tag):
                scope.note(header.tag, _first(vr, piece))
            yield piece
        if header.length % 2:
            yield padding_of(vr)

    def _sequence(self, header: Header, scope: Scope, depth: int) -> Iterator[bytes]:
        if depth == DEEPEST:
            raise BrokenDataset("Its sequences are too deep")
        yield element_head(header.tag, "SQ", UNDEFINED)
        for end, encoding in self._reader.items(header):
            yield item_head(ITEM, UNDEFINED)
            nested = scope.nested()
            for inner in self._reader.elements(end, encoding):
                if stays(inner):
                    yield from self.element(inner, nested, depth + 1)
            yield item_head(ITEM_DELIMITATION, 0)
        yield item_head(SEQUENCE_DELIMITATION, 0)

    def _fragments(self, header: Header, vr: str) -> Iterator[bytes]:
        yield element_head(header.tag, vr if vr in LONG_VRS else "OB", UNDEFINED)
        for fragment in self._reader.fragments(header):
            if fragment.length == UNDEFINED:
                raise BrokenDataset("Its fragments are no fragments")
            yield item_head(ITEM, fragment.length)
            for start in range(0, fragment.length, _CHUNK):
                yield self._reader.read(min(_CHUNK, fragment.length - start))
        yield item_head(SEQUENCE_DELIMITATION, 0)


def stays(header: Header) -> bool:
    """Tell whether an element is written: not a group length, padding at the end, or a stray delimiter."""
    return bool(header.tag & 0xFFFF) and header.tag != _TRAILING_PADDING and header.tag >> 16 != 0xFFFE


def _first(vr: str, value: bytes) -> str | int:
    if vr in ("US", "SS"):
        return int.from_bytes(value[:2], "little")
    return decode_text("LO", value, Scope().character_set).split("\\", maxsplit=1)[0].rstrip(" \0")


def element_head(tag: int, vr: str, length: int) -> bytes:
    """Write what comes before a value, whose length its VR can have (PS3.5 7.1.2)."""
    code = vr.encode("ascii")
    if vr in LONG_VRS:
        return struct.pack("<HH2sxxL", tag >> 16, tag & 0xFFFF, code, length)
    return struct.pack("<HH2sH", tag >> 16, tag & 0xFFFF, code, length)


def item_head(tag: int, length: int) -> bytes:
    """Write what comes before an item or a fragment, or a delimiter (PS3.5 7.5)."""
    return struct.pack("<HHL", tag >> 16, tag & 0xFFFF, length)
