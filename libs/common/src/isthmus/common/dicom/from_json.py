"""Data sets out of the DICOM JSON Model (PS3.18 Annex F), in Explicit VR Little Endian (PS3.5 7.1, A.2).

Values that lie elsewhere are not read: what is written is a list of pieces, some of them references. So a
data set of any size takes the memory of its metadata. Its text is UTF-8, and its Specific Character Set says
so where that makes a difference.
"""

import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Final, NamedTuple

from pydicom.datadict import dictionary_VR

from isthmus.common.dicom.attributes import vr_of
from isthmus.common.dicom.element_reader import (
    DEEPEST,
    ITEM,
    ITEM_DELIMITATION,
    SEQUENCE_DELIMITATION,
    UNDEFINED,
)
from isthmus.common.dicom.explicit import element_head, item_head
from isthmus.common.dicom.value_writing import check_length, decode_inline, encode_values
from isthmus.common.dicom.vrs import (
    BINARY_VRS,
    BULK_VRS,
    KNOWN_VRS,
    LOCALIZED_VRS,
    LONG_VRS,
    NUMBER_FORMATS,
    TEXT_VRS,
    padding_of,
)
from isthmus.common.errors import MalformedDataset

_CHARACTER_SET: Final = "00080005"
_UTF_8: Final = b"ISO_IR 192"
_PIXEL_DATA: Final = "7FE00010"
_OFFSETS, _LENGTHS = "7FE00001", "7FE00002"
_NOT_IN_DATA_SETS: Final = ("0000", "0002", "FFFE")
"""Groups of commands, file meta information and delimiters."""
_TRAILING_PADDING: Final = "FFFCFFFC"
_LONGEST_SHORT: Final = 0xFFFE
_LONGEST: Final = 0xFFFFFFFE
_ONE_OF: Final = ("Value", "BulkDataURI", "InlineBinary")
_HEADER: Final = 8


class Stretch(NamedTuple):
    """Bytes that lie elsewhere, in Little Endian."""

    source: str
    offset: int
    length: int


@dataclass(frozen=True, slots=True)
class Fragments:
    """Encapsulated pixel data (PS3.5 A.4)."""

    frames: tuple[Stretch, ...]
    """Each a fragment."""
    is_stream: bool = False
    """Whether they are one stream of all frames, as video is, and no offset table tells them apart."""


Piece = bytes | Stretch
Resolve = Callable[[str], Sequence[Stretch] | Fragments]
"""Gives what a BulkDataURI names, in pieces; raises a ValueError that says why there is nothing."""


class Unwritable(MalformedDataset):
    """A data set cannot be made of the metadata: an attribute is not what it must be."""


def encode_data_set(attributes: Mapping[str, object], resolve: Resolve) -> list[Piece]:
    """Encode a data set.

    Left out are group lengths, padding, and what belongs into no data set, such as File Meta Information.

    Args:
        attributes: From JSON, in any order, nothing about them being certain.
        resolve: Finds the values that are not among them; encapsulated pixel data only at the top level.

    Raises:
        Unwritable: names the attribute, and what is wrong with it; its cause may be what `resolve` raised.
    """
    writer = _Writer(resolve)
    elements = dict(writer.elements(attributes, 0))
    if writer.needs_character_set:
        elements[_CHARACTER_SET] = [_head(_CHARACTER_SET, "CS", len(_UTF_8)) + _UTF_8]
    return list(_joined(piece for tag in sorted(elements) for piece in elements[tag]))


def length_of(pieces: Sequence[Piece]) -> int:
    """Count the bytes of what was encoded."""
    return sum(piece.length if isinstance(piece, Stretch) else len(piece) for piece in pieces)


class _Writer:
    def __init__(self, resolve: Resolve) -> None:
        self.needs_character_set = False
        self._resolve = resolve

    def elements(self, attributes: Mapping[str, object], depth: int) -> Iterator[tuple[str, list[Piece]]]:
        """Encode the elements of a data set or an item, in the order of their tags."""
        if depth > DEEPEST:
            raise Unwritable("Its sequences are too deep")
        by_tag = {tag.upper(): element for tag, element in attributes.items()}
        if len(by_tag) < len(attributes):
            raise Unwritable("An attribute is there twice")
        for tag in sorted(by_tag):
            if not _is_tag(tag):
                raise Unwritable("An attribute has no tag of 8 hexadecimal digits")
            if tag.endswith("0000") or tag[:4] in _NOT_IN_DATA_SETS or tag == _TRAILING_PADDING:
                continue
            try:
                yield from self._element(tag, by_tag[tag], depth)
            except ValueError as error:
                raise Unwritable(f"({tag[:4]},{tag[4:]}): {error}") from error

    def _element(self, tag: str, element: object, depth: int) -> Iterator[tuple[str, list[Piece]]]:
        if not isinstance(element, Mapping):
            raise ValueError("it is no element")
        given = [key for key in _ONE_OF if key in element]
        if len(given) > 1:
            raise ValueError(f"{given[0]} and {given[1]} stand side by side")
        vr = _vr(tag, element)
        if vr == "SQ":
            yield tag, self._sequence(tag, element, depth)
        elif "BulkDataURI" in element:
            yield from self._bulk(tag, vr, element["BulkDataURI"], depth)
        else:
            yield tag, [self._inline(tag, vr, element)]

    def _inline(self, tag: str, vr: str, element: Mapping[str, object]) -> bytes:
        if "InlineBinary" in element:
            raw = decode_inline(vr, element["InlineBinary"])
        else:
            values = element.get("Value", [])
            if not isinstance(values, list):
                raise ValueError("Value is no array")
            raw = encode_values(vr, values)
        if tag == _CHARACTER_SET:
            raw = _UTF_8
        if vr in LOCALIZED_VRS and not raw.isascii():
            self.needs_character_set = True
        raw += padding_of(vr) * (len(raw) % 2)
        return _head(tag, vr, len(raw)) + raw

    def _bulk(self, tag: str, vr: str, uri: object, depth: int) -> Iterator[tuple[str, list[Piece]]]:
        if not isinstance(uri, str):
            raise ValueError("BulkDataURI is no text")
        if vr not in BULK_VRS:
            raise ValueError(f"{vr} has no BulkDataURI")
        bulk = self._resolve(uri)
        if isinstance(bulk, Fragments):
            if tag != _PIXEL_DATA or depth:
                raise ValueError("only Pixel Data at the top level can be compressed")
            yield from _encapsulated(bulk)
            return
        length = length_of(bulk)
        check_length(vr, length)
        if vr in LOCALIZED_VRS:
            self.needs_character_set = True
        padding = padding_of(vr) * (length % 2)
        yield tag, [_head(tag, vr, length + len(padding)), *bulk, padding]

    def _sequence(self, tag: str, element: Mapping[str, object], depth: int) -> list[Piece]:
        items = element.get("Value", [])
        if "Value" not in element and any(key in element for key in _ONE_OF):
            raise ValueError("a sequence has items only")
        if not isinstance(items, list):
            raise ValueError("Value is no array")
        if not items:
            return [_head(tag, "SQ", 0)]
        pieces: list[Piece] = [_head(tag, "SQ", UNDEFINED)]
        for item in items:
            if not isinstance(item, Mapping | None):
                raise ValueError("an item is no data set")
            pieces.append(item_head(ITEM, UNDEFINED))
            for _, encoded in self.elements(item or {}, depth + 1):
                pieces += encoded
            pieces.append(item_head(ITEM_DELIMITATION, 0))
        return [*pieces, item_head(SEQUENCE_DELIMITATION, 0)]


def _vr(tag: str, element: Mapping[str, object]) -> str:
    vr = element.get("vr") or vr_of(tag)
    if not isinstance(vr, str) or vr not in KNOWN_VRS:
        raise ValueError("its VR is none")
    if vr != "UN" and not any(_kind(vr) == _kind(one) for one in _vrs_of(tag)):
        raise ValueError(f"its VR is not {vr}")
    return vr


def _vrs_of(tag: str) -> Sequence[str]:
    """Give the VRs that PS3.6 allows, and all of them for what it does not know."""
    try:
        known = dictionary_VR(int(tag, 16)).split(" or ")
    except KeyError:
        return sorted(KNOWN_VRS)
    return sorted(KNOWN_VRS) if "UN" in known or "NONE" in known else known


def _kind(vr: str) -> str:
    """Give what is common to VRs in whose place others stand in other editions of the standard."""
    if vr in TEXT_VRS:
        return "PN" if vr == "PN" else "UI" if vr == "UI" else "text"
    if vr in NUMBER_FORMATS:
        return "real" if vr in ("FL", "FD") else "integer"
    return "binary" if vr in BINARY_VRS else vr


def _encapsulated(fragments: Fragments) -> Iterator[tuple[str, list[Piece]]]:
    """Encapsulate, with the Basic Offset Table, or the Extended one where 32 bits do not hold the offsets."""
    frames = fragments.frames
    if any(frame.length > _LONGEST for frame in frames):
        raise ValueError("a frame is longer than a fragment can be")
    lengths = [frame.length + frame.length % 2 for frame in frames]
    offsets = list(accumulate((length + _HEADER for length in lengths[:-1]), initial=0))
    extended = not fragments.is_stream and offsets[-1] > _LONGEST
    for tag, numbers in ((_OFFSETS, offsets), (_LENGTHS, [frame.length for frame in frames])):
        value = struct.pack(f"<{len(numbers)}Q", *numbers)
        # One that the metadata have is about other fragments.
        yield tag, [_head(tag, "OV", len(value)) + value] if extended else []
    basic = not fragments.is_stream and not extended
    table = struct.pack(f"<{len(offsets)}L", *offsets) if basic else b""
    pieces: list[Piece] = [_head(_PIXEL_DATA, "OB", UNDEFINED) + item_head(ITEM, len(table)) + table]
    for frame, length in zip(frames, lengths, strict=True):
        pieces += [item_head(ITEM, length), frame, bytes(length - frame.length)]
    yield _PIXEL_DATA, [*pieces, item_head(SEQUENCE_DELIMITATION, 0)]


def _head(tag: str, vr: str, length: int) -> bytes:
    if vr not in LONG_VRS and length > _LONGEST_SHORT:
        vr = "UN"  # PS3.5 6.2.2
    if length > _LONGEST and length != UNDEFINED:
        raise ValueError("it is longer than a value can be")
    return element_head(int(tag, 16), vr, length)


def _joined(pieces: Iterator[Piece]) -> Iterator[Piece]:
    """Join what is at hand between two references, and drop what is empty."""
    collected: list[bytes] = []
    for piece in pieces:
        if isinstance(piece, Stretch):
            if collected:
                yield b"".join(collected)
                collected = []
            if piece.length:
                yield piece
        elif piece:
            collected.append(piece)
    if collected:
        yield b"".join(collected)


def _is_tag(text: str) -> bool:
    return len(text) == 8 and all(character in "0123456789ABCDEF" for character in text)
