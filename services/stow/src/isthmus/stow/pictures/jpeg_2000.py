"""JPEG 2000 and HTJ2K (ITU-T T.800, T.814): by itself, or in the boxes of a JP2, JPX or JPH file."""

import struct
from collections.abc import Iterator, Set
from dataclasses import replace
from typing import BinaryIO, Final

from isthmus.common.pixels.codestream import jpeg_2000_codestream
from isthmus.common.pixels.errors import PixelsError
from isthmus.stow.pictures.boxes import boxes
from isthmus.stow.pictures.compressed import Compressed, Pixels, Unreadable

CODESTREAM: Final = b"\xff\x4f\xff\x51"
FILE: Final = b"\x00\x00\x00\x0cjP  "

_ROOT: Final = "1.2.840.10008.1.2.4."
_LOSSLESS, _ANY, _PART_2_LOSSLESS, _PART_2 = (f"{_ROOT}{number}" for number in (90, 91, 92, 93))
_HT_LOSSLESS, _HT_RPCL, _HT = (f"{_ROOT}{number}" for number in (201, 202, 203))
_RPCL: Final = 2

_HEAD_BYTES: Final = 256 * 1024
_COD: Final = 0xFF52
_START_OF_TILE: Final = 0xFF90
_CAPABILITIES: Final = 0xFF50
_OF_PART_2: Final = frozenset((0xFF74, 0xFF75, 0xFF77, 0xFF78))
"""Transformations of components (ITU-T T.801 A.3)."""
_MOST_FRAMES: Final = 100_000


def describe_jpeg_2000(source: BinaryIO, size: int) -> Compressed:
    """Describe a frame, or in a JPX file several; its boxes are not encapsulated (PS3.5 A.4.4).

    Raises:
        Unreadable: it is none.
    """
    source.seek(0)
    is_alone = source.read(len(CODESTREAM)) == CODESTREAM
    places = [(0, size)] if is_alone else list(_codestreams(source, size))
    if not places:
        raise Unreadable("a JPEG 2000 file without a codestream")
    found = [_describe(source, *place) for place in places]
    if len({(one.transfer_syntax_uid, one.pixels) for one in found}) > 1:
        raise Unreadable("JPEG 2000 codestreams that differ")
    return replace(found[0], frames=tuple(places), number_of_frames=len(places))


def _codestreams(source: BinaryIO, size: int) -> Iterator[tuple[int, int]]:
    for count, box in enumerate(boxes(source, 0, size)):
        if count == _MOST_FRAMES:
            raise Unreadable("a JPEG 2000 file of too many boxes")
        if box.kind == b"jp2c":
            yield box.begin, box.end - box.begin


def _describe(source: BinaryIO, begin: int, length: int) -> Compressed:
    source.seek(begin)
    head = source.read(min(length, _HEAD_BYTES))
    try:
        codestream = jpeg_2000_codestream(head)
        segments = dict(_segments(head))
        # The coding style (ITU-T T.800 A.6.1): progression, component and wavelet transformation.
        coding_style = segments[_COD]
        progression, is_transformed, is_reversible = (
            coding_style[1],
            coding_style[4] == 1,
            coding_style[9] == 1,
        )
    except (PixelsError, struct.error, LookupError) as error:
        raise Unreadable("no JPEG 2000 that can be read") from error
    if codestream.components == 1:
        photometric = "MONOCHROME2"  # PS3.18 10.5.2 note 6
    elif codestream.components != 3:
        raise Unreadable("a JPEG 2000 of another form than pixels have")
    elif is_transformed:
        photometric = "YBR_RCT" if is_reversible else "YBR_ICT"
    else:
        photometric = "RGB"
    pixels = Pixels(
        codestream.rows,
        codestream.columns,
        codestream.components,
        codestream.precision,
        photometric,
        codestream.signed,
    )
    syntax, *others = _syntaxes(segments.keys(), progression, is_reversible=is_reversible)
    return Compressed(syntax, frozenset(others), pixels)


def _segments(head: bytes) -> Iterator[tuple[int, bytes]]:
    """Give the marker segments of the main header."""
    at = 2
    while True:
        marker, length = struct.unpack_from(">HH", head, at)
        if marker == _START_OF_TILE or length < 2:
            return
        yield marker, head[at + 4 : at + 2 + length]
        at += 2 + length


def _syntaxes(markers: Set[int], progression: int, *, is_reversible: bool) -> tuple[str, ...]:
    """Give the transfer syntaxes that hold it, the narrowest first."""
    if _CAPABILITIES in markers:
        if not is_reversible:
            return (_HT,)
        return (_HT_LOSSLESS, _HT_RPCL, _HT) if progression == _RPCL else (_HT_LOSSLESS, _HT)
    if markers & _OF_PART_2:
        return (_PART_2_LOSSLESS, _PART_2) if is_reversible else (_PART_2,)
    both = (_LOSSLESS, _ANY, _PART_2_LOSSLESS, _PART_2)
    return both if is_reversible else (_ANY, _PART_2)
