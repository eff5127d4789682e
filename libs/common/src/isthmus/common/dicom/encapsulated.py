"""Encapsulated pixel data: which fragments make which frame (PS3.5 A.4, PS3.18 8.7.3.3)."""

import struct
from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Final

from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from isthmus.common.dicom.element_reader import UNDEFINED, BrokenDataset, ElementReader, Header
from isthmus.common.dicom.part10.identify import DEFLATED

OCTET_STREAM: Final = "application/octet-stream"
HEADER: Final = 8
"""Bytes of an item's tag and length."""
NUMBERS: Final = "I"
"""The type of arrays of lengths and counts: 32 bits, like a length in DICOM."""

_SYNTAX_ROOT: Final = "1.2.840.10008.1.2."
_MEDIA_TYPES: Final = {
    "image/jpeg": ("4.50", "4.51", "4.57", "4.70"),
    "image/jls": ("4.80", "4.81"),
    "image/jp2": ("4.90", "4.91"),
    "image/jpx": ("4.92", "4.93"),
    "image/jphc": ("4.201", "4.202", "4.203"),
    "image/jxl": ("4.110", "4.111", "4.112"),
    "image/dicom-rle": ("5",),
    "video/mpeg2": ("4.100", "4.100.1", "4.101", "4.101.1"),
    "video/mp4": (
        *("4.102", "4.102.1", "4.103", "4.103.1", "4.104", "4.104.1"),
        *("4.105", "4.105.1", "4.106", "4.106.1"),
    ),
    "video/H265": ("4.107", "4.108"),
}
_BY_SYNTAX: Final = {
    _SYNTAX_ROOT + syntax: media_type for media_type, syntaxes in _MEDIA_TYPES.items() for syntax in syntaxes
}
COMPRESSED_MEDIA_TYPES: Final = frozenset(_MEDIA_TYPES)
"""Of single frames and of videos (PS3.18 Table 8.7.3-5)."""
_NATIVE: Final = DEFLATED | {ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian}
_END_OF_IMAGE: Final = b"\xff\xd9"
"""In JPEG, JPEG-LS and JPEG 2000 alike."""
MOST_FRAGMENTS: Final = 4_000_000
_LARGEST_TABLE: Final = 4 * MOST_FRAGMENTS


@dataclass(frozen=True, slots=True)
class Fragments:
    """The fragments of a value: one right after another, each behind the header of its item."""

    position: int
    """Of the first one's bytes."""
    lengths: Sequence[int]
    """Of each, in an array: an instance may have millions."""

    @property
    def positions(self) -> Iterator[int]:
        """Where the bytes of each begin."""
        return accumulate(
            self.lengths[:-1], lambda here, length: here + length + HEADER, initial=self.position
        )


def media_type_of(transfer_syntax_uid: str) -> str:
    """Give the media type of one frame (PS3.18 Tables 8.7.3-3 to 8.7.3-5)."""
    return _BY_SYNTAX.get(transfer_syntax_uid, OCTET_STREAM)


def is_encapsulated(transfer_syntax_uid: str) -> bool:
    """Tell whether its pixel data are in fragments (PS3.5 A.4); whatever nobody knows is taken for it."""
    return transfer_syntax_uid not in _NATIVE


def is_video(transfer_syntax_uid: str) -> bool:
    """Tell whether all frames are one stream."""
    return media_type_of(transfer_syntax_uid).startswith("video/")


def read_fragments(reader: ElementReader, header: Header) -> tuple[bytes, Fragments]:
    """Go from fragment to fragment of a value; give the Basic Offset Table too.

    Raises:
        BrokenDataset: something else is there, or more than can be kept.
    """
    items = reader.fragments(header)
    table = next(items, None)
    if table is None:
        return b"", Fragments(reader.position, array(NUMBERS))
    if table.length > _LARGEST_TABLE:
        raise BrokenDataset("Its Basic Offset Table is too long")
    offset_table = reader.read(table.length)
    first, lengths = reader.position + HEADER, array(NUMBERS)
    for fragment in items:
        if fragment.length == UNDEFINED or len(lengths) == MOST_FRAGMENTS:
            raise BrokenDataset("Its fragments are no fragments, or too many")
        lengths.append(fragment.length)
    return offset_table, Fragments(first, lengths)


def fragments_per_frame(
    fragments: Fragments,
    offset_table: bytes,
    number_of_frames: int,
    tail_of: Callable[[int, int], bytes],
) -> Sequence[int]:
    """Tell how many fragments each frame has.

    Args:
        fragments: All of them.
        offset_table: The value of the Basic Offset Table (PS3.5 A.4), which may be empty or wrong.
        number_of_frames: What Number of Frames (0028,0008) says.
        tail_of: Reads the last bytes of a fragment, given its position and length; called only where nothing
            else tells the frames apart.
    """
    count = len(fragments.lengths)
    if count == number_of_frames:
        return array(NUMBERS, [1]) * count
    starts = _starts(fragments, offset_table)
    if len(starts) > 1:
        return _differences([*starts, count])
    if number_of_frames <= 1 or count < number_of_frames:
        return [count] if count else []
    places = zip(fragments.positions, fragments.lengths, strict=True)
    ends = [number for number, one in enumerate(places, 1) if _END_OF_IMAGE in tail_of(*one)]
    if not ends or ends[-1] != count:
        ends.append(count)
    return _differences([0, *ends])


def _starts(fragments: Fragments, offset_table: bytes) -> list[int]:
    """Give the number of the first fragment of each frame; none if the table is not about these fragments."""
    if not fragments.lengths or not offset_table or len(offset_table) % 4:
        return []
    numbers = {place - fragments.position: number for number, place in enumerate(fragments.positions)}
    starts = [numbers.get(offset, -1) for (offset,) in struct.iter_unpack("<L", offset_table)]
    in_order = all(before < after for before, after in pairwise([-1, *starts]))
    return starts if in_order and starts[0] == 0 else []


def _differences(numbers: Sequence[int]) -> Sequence[int]:
    return array(NUMBERS, [after - before for before, after in pairwise(numbers)])
