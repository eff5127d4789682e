"""Encapsulated pixel data: which fragments make which frame (PS3.5 A.4, PS3.18 8.7.3.3)."""

import struct
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Final, NamedTuple

OCTET_STREAM: Final = "application/octet-stream"

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
_END_OF_IMAGE: Final = b"\xff\xd9"
"""In JPEG, JPEG-LS and JPEG 2000 alike."""


class Fragment(NamedTuple):
    """A fragment, without its item tag and length."""

    position: int
    length: int


def media_type_of(transfer_syntax_uid: str) -> str:
    """Give the media type of one frame (PS3.18 Tables 8.7.3-3 to 8.7.3-5)."""
    return _BY_SYNTAX.get(transfer_syntax_uid, OCTET_STREAM)


def is_video(transfer_syntax_uid: str) -> bool:
    """Tell whether all frames are one stream."""
    return media_type_of(transfer_syntax_uid).startswith("video/")


def frames_of(
    fragments: Sequence[Fragment],
    offset_table: bytes,
    number_of_frames: int,
    tail_of: Callable[[Fragment], bytes],
) -> list[Sequence[Fragment]]:
    """Put the fragments of each frame together.

    Args:
        fragments: All of them, in their order.
        offset_table: The value of the Basic Offset Table (PS3.5 A.4), which may be empty or wrong.
        number_of_frames: What Number of Frames (0028,0008) says.
        tail_of: Reads the last bytes of a fragment; called only where nothing else tells the frames apart.
    """
    if len(fragments) == number_of_frames:
        return [[fragment] for fragment in fragments]
    starts = _starts(fragments, offset_table)
    if len(starts) > 1:
        return [fragments[start:end] for start, end in pairwise([*starts, len(fragments)])]
    if number_of_frames <= 1 or len(fragments) < number_of_frames:
        return [fragments] if fragments else []
    ends = [place for place, one in enumerate(fragments, 1) if _END_OF_IMAGE in tail_of(one)]
    if not ends or ends[-1] != len(fragments):
        ends.append(len(fragments))
    return [fragments[start:end] for start, end in pairwise([0, *ends])]


def _starts(fragments: Sequence[Fragment], offset_table: bytes) -> list[int]:
    """Give the place of the first fragment of each frame; none if the table is not about these fragments."""
    if not fragments or not offset_table or len(offset_table) % 4:
        return []
    first = fragments[0].position
    places = {fragment.position - first: place for place, fragment in enumerate(fragments)}
    starts = [places.get(offset, -1) for (offset,) in struct.iter_unpack("<L", offset_table)]
    in_order = all(before < after for before, after in pairwise([-1, *starts]))
    return starts if in_order and starts[0] == 0 else []
