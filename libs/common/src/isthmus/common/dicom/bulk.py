"""The values that metadata only refers to (PS3.18 F.2.6, 10.4.1.1.5), found again in the instance."""

import os
import re
from dataclasses import dataclass
from typing import BinaryIO, Final

from pydicom.uid import ExplicitVRLittleEndian

from isthmus.common.dicom.dataset_source import OpenDataset, open_dataset
from isthmus.common.dicom.element_reader import UNDEFINED, BrokenDataset, ElementReader, Encoding, Header
from isthmus.common.dicom.encapsulated import OCTET_STREAM
from isthmus.common.dicom.frame_index import EncapsulatedFrames, index_of_fragments
from isthmus.common.dicom.json_values import decode_text, swapped
from isthmus.common.dicom.value_representations import Scope
from isthmus.common.dicom.vrs import LOCALIZED_VRS, WORD_SIZES
from isthmus.common.errors import InvalidParameter, NoSuchObject

BulkPath = tuple[str | int, ...]
"""Tag, and for each sequence above it its tag and the number of the item, from 1."""
Piece = tuple[int, int] | bytes
"""Offset and length in the source, or the bytes themselves where the source has them otherwise."""
BulkPart = tuple[Piece, ...]
"""A value, or a frame: its pieces one after another, without anything between them."""

_SEGMENT: Final = re.compile(r"[0-9A-Fa-f]{8}")
_NUMBER: Final = re.compile(r"[1-9][0-9]{0,8}")
_NUMBER_OF_FRAMES: Final = 0x00280008
_LONGEST_SAID: Final = 1024
"""Bytes of a value that says something about those that follow."""
_LARGEST_CONVERTED: Final = 256 * 1024 * 1024
"""Bytes of a value that cannot leave as it lies in the source, and is held in memory therefore."""


@dataclass(frozen=True, slots=True)
class BulkValue:
    """A value, as it is to leave."""

    media_type: str
    """Of each part."""
    transfer_syntax_uid: str
    parts: tuple[BulkPart, ...]
    """One; of encapsulated pixel data one for each frame."""


def parse_bulk_path(text: str) -> BulkPath:
    """Read what follows the prefix in a BulkDataURI of ours, such as `00400275/1/00401001`.

    Raises:
        InvalidParameter: it is no such path.
    """
    segments = text.split("/")
    tags, numbers = segments[::2], segments[1::2]
    if len(tags) == len(numbers) or not (
        all(map(_SEGMENT.fullmatch, tags)) and all(map(_NUMBER.fullmatch, numbers))
    ):
        raise InvalidParameter("bulkdata", "is no path of tags of 8 hexadecimal digits and item numbers")
    return tuple(int(segment) if place % 2 else segment.upper() for place, segment in enumerate(segments))


def bulk_of(source: BinaryIO, path: BulkPath) -> BulkValue:
    """Find a value in an instance; native ones leave in little endian, texts in UTF-8.

    Args:
        source: A seekable file of a Part 10 instance; the value itself is read only if it must be converted.
        path: From `parse_bulk_path`.

    Raises:
        NoSuchObject: the path leads to no value.
        MalformedDataset: the instance cannot be read as far as that, or ends within the value.
    """
    dataset = open_dataset(source)
    finder = _Finder(dataset.reader)
    end, encoding = None, dataset.encoding
    for tag, number in zip(path[:-1:2], path[1::2], strict=True):
        end, encoding = finder.enter(finder.find(str(tag), end, encoding), int(number))
    header = finder.find(str(path[-1]), end, encoding)
    vr = finder.vr_of(header)
    if vr == "SQ" or not header.length:
        raise _nothing()
    if header.length == UNDEFINED:
        return _encapsulated(source, dataset, header, finder.number_of_frames)
    return BulkValue(
        OCTET_STREAM, str(ExplicitVRLittleEndian), ((_native(source, dataset, header, vr, finder.scope),),)
    )


class _Finder:
    """Goes down a path, and learns on the way what a value depends on."""

    def __init__(self, reader: ElementReader) -> None:
        self.scope = Scope()
        self.number_of_frames = 1
        self._reader = reader
        self._outermost = True

    def find(self, tag: str, end: int | None, encoding: Encoding) -> Header:
        """Go to the value of an element of this data set."""
        wanted = int(tag, 16)
        for header in self._reader.elements(end, encoding, outermost=self._outermost):
            if header.tag == wanted:
                return header
            if header.length <= _LONGEST_SAID:
                self._learn(header)
        raise _nothing()

    def enter(self, header: Header, number: int) -> tuple[int | None, Encoding]:
        """Go into an item of a sequence; give its end and encoding."""
        if self.vr_of(header) != "SQ":
            raise _nothing()
        self.scope, self.number_of_frames, self._outermost = self.scope.nested(), 1, False
        for count, (end, encoding) in enumerate(self._reader.items(header), 1):
            if count == number:
                return end, encoding
            for _ in self._reader.elements(end, encoding):
                pass
        raise _nothing()

    def vr_of(self, header: Header) -> str:
        """Give the VR that metadata gives the element."""
        return self.scope.vr_of(header.tag, header.vr, undefined_length=header.length == UNDEFINED)

    def _learn(self, header: Header) -> None:
        if header.tag == _NUMBER_OF_FRAMES:
            text = self._reader.read(header.length).strip(b" \0")
            self.number_of_frames = int(text) if text.isdigit() else 1
        elif Scope.depends_on(header.tag):
            self.scope.note(header.tag, self._first_value(header))

    def _first_value(self, header: Header) -> str | int:
        raw = self._reader.read(header.length)
        if self.vr_of(header) in ("US", "SS"):
            return int.from_bytes(raw, "little" if header.encoding.little_endian else "big")
        return decode_text("LO", raw, self.scope.character_set).split("\\", maxsplit=1)[0].rstrip(" \0")


def _native(source: BinaryIO, dataset: OpenDataset, header: Header, vr: str, scope: Scope) -> Piece:
    swaps = not header.encoding.little_endian and header.vr != "UN" and WORD_SIZES.get(vr, 1) > 1
    if not (swaps or dataset.deflated or vr in LOCALIZED_VRS):
        return _range(source, header)
    raw = _read(dataset.reader, header.length)
    if vr in LOCALIZED_VRS:
        return decode_text(vr, raw, scope.character_set).encode()
    return swapped(raw, WORD_SIZES[vr]) if swaps else raw


def _encapsulated(source: BinaryIO, dataset: OpenDataset, header: Header, number_of_frames: int) -> BulkValue:
    if dataset.deflated:
        raise BrokenDataset("Encapsulated pixel data cannot be in a deflated data set")
    return frames_value(index_of_fragments(source, dataset, header, number_of_frames, {}))


def frames_value(index: EncapsulatedFrames) -> BulkValue:
    """Give encapsulated pixel data as they are to leave: each frame a part."""
    frames = (tuple(index.frame(number)) for number in range(1, len(index) + 1))
    return BulkValue(index.media_type, index.transfer_syntax_uid, tuple(frames))


def _range(source: BinaryIO, header: Header) -> Piece:
    if header.position + header.length > source.seek(0, os.SEEK_END):
        raise BrokenDataset("The data set is truncated")
    return header.position, header.length


def _read(reader: ElementReader, length: int) -> bytes:
    if length > _LARGEST_CONVERTED:
        raise BrokenDataset("The value is too large to be converted")
    return reader.read(length)


def _nothing() -> NoSuchObject:
    return NoSuchObject("The instance has no such value")
