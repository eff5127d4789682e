"""Where each frame of an instance lies, to have one without the others (PS3.3 C.7.6.3, PS3.5 A.4)."""

import os
import struct
import zlib
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import BinaryIO, Final

import msgpack

from isthmus.common.dicom.dataset_source import OpenDataset, open_dataset
from isthmus.common.dicom.element_reader import UNDEFINED, BrokenDataset, ElementReader, Header
from isthmus.common.dicom.encapsulated import (
    NUMBERS,
    OCTET_STREAM,
    Fragments,
    fragments_per_frame,
    is_video,
    media_type_of,
    read_fragments,
)
from isthmus.common.dicom.extended_offset_table import EXTENDED_OFFSET_TABLE, listed_fragments
from isthmus.common.dicom.vrs import PIXEL_DATA, WORD_SIZES
from isthmus.common.errors import NoSuchObject

Frame = Sequence[tuple[int, int]]
"""Offset and length of each of its pieces in the instance, or in the inflated data set of a deflated one."""

_TAIL: Final = 10
_VERSION: Final = 1
_LONGEST_SAID: Final = 64
"""Bytes of a value that says something about the pixels."""
_NUMBER_OF_FRAMES: Final = 0x00280008
_PHOTOMETRIC_INTERPRETATION: Final = 0x00280004
_SAMPLES, _ROWS, _COLUMNS, _BITS_ALLOCATED = 0x00280002, 0x00280010, 0x00280011, 0x00280100
_NUMBERS_SAID: Final = (_SAMPLES, _ROWS, _COLUMNS, _BITS_ALLOCATED)


@dataclass(frozen=True, slots=True)
class NativeFrames:
    """Frames of native pixel data, one right after another."""

    transfer_syntax_uid: str
    position: int
    """Of the first one."""
    bits: int
    """Of each; where they are no whole bytes, a frame begins and ends within one that it shares."""
    number_of_frames: int
    length: int = 0
    """Bytes of all pixel data."""
    word_size: int = 1
    """Bytes of a word that big endian has the other way round; words are counted from `position`."""
    deflated: bool = False
    """The position is that in the inflated data set, and not in the instance."""

    @property
    def media_type(self) -> str:
        """Of one frame (PS3.18 8.7.3.3)."""
        return OCTET_STREAM

    def __len__(self) -> int:
        """Count the frames."""
        return self.number_of_frames

    def frame(self, number: int) -> Frame:
        """Find a frame, numbered from 1.

        Raises:
            NoSuchObject: there are not as many.
        """
        _require(number, len(self))
        start = (number - 1) * self.bits
        first, end = start // 8, -(-(start + self.bits) // 8)
        return ((self.position + first, end - first),)


class EncapsulatedFrames:
    """Frames of encapsulated pixel data, each of one fragment or more."""

    def __init__(self, transfer_syntax_uid: str, fragments: Fragments, counts: Sequence[int]) -> None:
        """Put the fragments together.

        Args:
            transfer_syntax_uid: Of the frames.
            fragments: All of them.
            counts: How many of them each frame has.
        """
        self.transfer_syntax_uid: Final = transfer_syntax_uid
        self._fragments = fragments
        self._counts = counts
        self._positions = array("Q", fragments.positions)
        self._ends = array(NUMBERS, accumulate(counts))

    @property
    def media_type(self) -> str:
        """Of one frame (PS3.18 Tables 8.7.3-3 to 8.7.3-5)."""
        return media_type_of(self.transfer_syntax_uid)

    def __len__(self) -> int:
        """Count the frames; a video is one."""
        return len(self._counts)

    def frame(self, number: int) -> Frame:
        """Find a frame, numbered from 1.

        Raises:
            NoSuchObject: there are not as many.
        """
        _require(number, len(self))
        end = self._ends[number - 1]
        places = range(end - self._counts[number - 1], end)
        return tuple((self._positions[place], self._fragments.lengths[place]) for place in places)

    def to_bytes(self) -> bytes:
        """Write it down; some bytes for each frame."""
        found = {
            "v": _VERSION,
            "transfer_syntax_uid": self.transfer_syntax_uid,
            "position": self._fragments.position,
            "lengths": _packed(self._fragments.lengths),
            "counts": _packed(self._counts),
        }
        return zlib.compress(msgpack.packb(found))

    @classmethod
    def from_bytes(cls, data: bytes) -> "EncapsulatedFrames":
        """Read what `to_bytes` wrote.

        Raises:
            ValueError: it is nothing of the kind, or of another version.
        """
        try:
            found = msgpack.unpackb(zlib.decompress(data))
            if found["v"] == _VERSION:
                fragments = Fragments(found["position"], _unpacked(found["lengths"]))
                return cls(found["transfer_syntax_uid"], fragments, _unpacked(found["counts"]))
        except (zlib.error, struct.error, KeyError, TypeError, ValueError) as error:
            raise ValueError("no frame index") from error
        raise ValueError("another version")


FrameIndex = NativeFrames | EncapsulatedFrames


def frame_index_of(source: BinaryIO) -> FrameIndex:
    """Find the frames of an instance without reading them.

    Args:
        source: A seekable file of a Part 10 instance.

    Raises:
        NoSuchObject: it has no pixel data.
        MalformedDataset: it cannot be read as far as that, or it or its pixel data end too early.
    """
    dataset = open_dataset(source)
    said = _Said()
    for header in dataset.reader.elements(None, dataset.encoding, outermost=True):
        if header.tag in PIXEL_DATA and header.length:
            if header.length != UNDEFINED:
                return _native(source, dataset, header, said)
            if dataset.deflated:
                raise BrokenDataset("Encapsulated pixel data cannot be in a deflated data set")
            return index_of_fragments(source, dataset, header, said.number_of_frames, said.tables)
        said.note(header, dataset.reader)
    if not dataset.deflated:
        _require_within(source, dataset.reader.position)
    raise NoSuchObject("The instance has no pixel data")


def index_of_fragments(
    source: BinaryIO,
    dataset: OpenDataset,
    header: Header,
    number_of_frames: int,
    tables: Mapping[int, Header],
) -> EncapsulatedFrames:
    """Find the frames of an encapsulated value.

    Args:
        source: A seekable file of a Part 10 instance.
        dataset: Its data set, read as far as the value.
        header: Of the value.
        number_of_frames: What Number of Frames (0028,0008) says.
        tables: The elements of the Extended Offset Table, where it has one.

    Raises:
        MalformedDataset: it is not encapsulated, or ends too early.
    """
    syntax = dataset.transfer_syntax_uid
    if is_video(syntax):
        number_of_frames = 1
    listed = listed_fragments(source, header, number_of_frames, tables)
    if listed is not None:
        return EncapsulatedFrames(syntax, listed, array(NUMBERS, [1]) * number_of_frames)
    source.seek(header.position)

    def tail_of(position: int, length: int) -> bytes:
        source.seek(position + max(length - _TAIL, 0))
        return source.read(min(length, _TAIL))

    offset_table, fragments = read_fragments(dataset.reader, header)
    counts = fragments_per_frame(fragments, offset_table, number_of_frames, tail_of)
    return EncapsulatedFrames(syntax, fragments, counts)


class _Said:
    """What the elements before the pixel data say about them."""

    def __init__(self) -> None:
        self.number_of_frames = 1
        self.tables: dict[int, Header] = {}
        self._numbers: dict[int, int] = {}
        self._photometric_interpretation = b""

    def note(self, header: Header, reader: ElementReader) -> None:
        if header.tag in EXTENDED_OFFSET_TABLE:
            self.tables[header.tag] = header
        if header.length > _LONGEST_SAID:
            return
        if header.tag in _NUMBERS_SAID:
            raw = reader.read(header.length)[:2]
            little_endian = header.encoding.little_endian
            self._numbers[header.tag] = int.from_bytes(raw, "little" if little_endian else "big")
        elif header.tag == _NUMBER_OF_FRAMES:
            text = reader.read(header.length).strip(b" \0")
            self.number_of_frames = int(text) if text.isdigit() else 1
        elif header.tag == _PHOTOMETRIC_INTERPRETATION:
            self._photometric_interpretation = reader.read(header.length).strip(b" \0")

    def word_size(self, vr: str | None) -> int:
        """Give the bytes of a word in big endian; pixels of more than 16 bits are words by themselves."""
        size = 1 if vr == "UN" else WORD_SIZES.get(vr or "OW", 1)
        return max(size, self._numbers.get(_BITS_ALLOCATED, 0) // 8) if size > 1 else 1

    @property
    def bits(self) -> int:
        """Of one native frame; 0 if nothing says how many."""
        numbers = self._numbers
        # PS3.3 C.7.6.3.1.2: two pixels of this one share their chrominance.
        shared = self._photometric_interpretation == b"YBR_FULL_422"
        samples = 2 if shared else numbers.get(_SAMPLES, 1)
        return numbers.get(_ROWS, 0) * numbers.get(_COLUMNS, 0) * samples * numbers.get(_BITS_ALLOCATED, 0)


def _native(source: BinaryIO, dataset: OpenDataset, header: Header, said: _Said) -> NativeFrames:
    if not 0 < said.bits * said.number_of_frames <= header.length * 8:
        raise BrokenDataset("The pixel data are shorter than their frames")
    if not dataset.deflated:
        _require_within(source, header.position + header.length)
    return NativeFrames(
        dataset.transfer_syntax_uid,
        header.position,
        said.bits,
        said.number_of_frames,
        header.length,
        1 if header.encoding.little_endian else said.word_size(header.vr),
        dataset.deflated,
    )


def _require_within(source: BinaryIO, end: int) -> None:
    if end > source.seek(0, os.SEEK_END):
        raise BrokenDataset("The data set is truncated")


def _packed(numbers: Sequence[int]) -> bytes:
    return b"".join(_runs(numbers))


def _runs(numbers: Sequence[int]) -> Iterator[bytes]:
    for start in range(0, len(numbers), 4096):
        some = numbers[start : start + 4096]
        yield struct.pack(f"<{len(some)}I", *some)


def _unpacked(data: bytes) -> "array[int]":
    return array(NUMBERS, struct.unpack(f"<{len(data) // 4}I", data))


def _require(number: int, frames: int) -> None:
    if not 0 < number <= frames:
        raise NoSuchObject("The instance has no such frame")
