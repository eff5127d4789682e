"""What a compressed frame says of itself, to be checked before anything decodes it."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from numpy.typing import NDArray

from isthmus.common.pixels.errors import CorruptFrame, UnsupportedPixels


@dataclass(frozen=True, slots=True)
class Codestream:
    """The size of a picture, and of its samples."""

    rows: int
    columns: int
    components: int
    precision: int
    """Bits of a sample."""
    signed: bool = False
    kind: int = 0
    """Of a JPEG: the second byte of its start of frame."""
    luminance_and_chrominance: bool | None = None
    """Of a JPEG: whether it says that its components are those, or not; None if it says neither."""

    def arranged(self, flat: NDArray[Any], *, plane_by_plane: bool = False) -> NDArray[Any]:
        """Put decoded samples in rows and columns, and in pixels where there are several components.

        Raises:
            CorruptFrame: there are not as many.
        """
        if flat.size != self.rows * self.columns * self.components:
            raise CorruptFrame("The frame is not of the size that it says")
        if self.components == 1:
            return flat.reshape(self.rows, self.columns)
        if plane_by_plane:
            return flat.reshape(self.components, self.rows, self.columns).transpose(1, 2, 0)
        return flat.reshape(self.rows, self.columns, self.components)


_START_OF_IMAGE: Final = b"\xff\xd8"
_JPEG_LS_FRAME: Final = 0xF7
_NO_FRAMES: Final = frozenset((0xC4, 0xC8, 0xCC))
_FRAMES: Final = frozenset(range(0xC0, 0xD0)) - _NO_FRAMES | {_JPEG_LS_FRAME}
_ALONE: Final = frozenset((0x01, *range(0xD0, 0xD8)))
"""Markers without a segment."""
_START_OF_SCAN: Final = 0xDA
_APP0, _APP14 = 0xE0, 0xEE
_REMARKS: Final = frozenset((*range(0xE0, 0xF0), 0xFE))
"""Of applications, and comments."""
_NO_TRANSFORM: Final = b"\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00\x00"
_LEAST_MARKER: Final = 0xC0


def jpeg_codestream(frame: bytes) -> Codestream:
    """Read the headers of a JPEG or JPEG-LS frame (ITU-T T.81 B.2.2, T.87 C.2.2), up to its first scan.

    Raises:
        CorruptFrame: it is none, or something else lies between its segments.
    """
    colour: bool | None = None
    found: Codestream | None = None
    for marker, begin, end in jpeg_segments(frame):
        if marker == _APP0 and frame[begin : begin + 5] == b"JFIF\0" and colour is None:
            colour = True
        elif marker == _APP14 and frame[begin : begin + 5] == b"Adobe" and end - begin >= 12:
            colour = frame[begin + 11] != 0
        elif marker in _FRAMES:
            if found or end - begin < 6 or end - begin < 6 + 3 * frame[begin + 5]:
                break
            precision, rows, columns, components = struct.unpack_from(">BHHB", frame, begin)
            names = frame[begin + 6 : begin + 6 + 3 * components : 3]
            if colour is None and names == b"RGB":
                colour = False
            found = Codestream(
                rows, columns, components, precision, kind=marker, luminance_and_chrominance=colour
            )
        elif marker == _START_OF_SCAN and found:
            return found
    raise CorruptFrame("The frame is no JPEG")


def without_remarks(frame: bytes) -> bytes:
    """Give a JPEG without what applications say in it, and with the components to be left as they are.

    Decoders act on it: they transform colours, or fail.
    """
    pieces = [_START_OF_IMAGE, _NO_TRANSFORM]
    at = len(_START_OF_IMAGE)
    for marker, begin, end in jpeg_segments(frame):
        if marker in _REMARKS:
            pieces.append(frame[at : begin - 4])
            at = end
        elif marker == _START_OF_SCAN:
            break
    return b"".join((*pieces, frame[at:]))


def jpeg_segments(frame: bytes) -> Iterator[tuple[int, int, int]]:
    """Give marker, begin and end of the segments of a JPEG or JPEG-LS frame, up to its first scan."""
    if frame[:2] != _START_OF_IMAGE:
        return
    at = 2
    while at + 4 <= len(frame) and frame[at] == 0xFF:
        marker = frame[at + 1]
        if marker == 0xFF:  # padding
            at += 1
        elif marker in _ALONE:
            at += 2
        elif marker < _LEAST_MARKER:
            return
        else:
            begin, end = at + 4, at + 2 + int.from_bytes(frame[at + 2 : at + 4])
            if end < begin or end > len(frame):
                return
            yield marker, begin, end
            if marker == _START_OF_SCAN:
                return
            at = end


_SOC_SIZ: Final = b"\xff\x4f\xff\x51"
_SIZ: Final = struct.Struct(">HHIIIIIIIIH")
_JP2: Final = b"\x00\x00\x00\x0cjP  \r\n\x87\n"


def jpeg_2000_codestream(frame: bytes) -> Codestream:
    """Read the SIZ marker of a JPEG 2000 or HTJ2K frame (ITU-T T.800 A.5.1), in a JP2 file or by itself.

    Raises:
        CorruptFrame: it has none.
        UnsupportedPixels: its components differ from one another.
    """
    at = frame.find(_SOC_SIZ) if frame.startswith(_JP2) else 0
    begin = at + len(_SOC_SIZ)
    if at < 0 or frame[at:begin] != _SOC_SIZ or len(frame) < begin + _SIZ.size:
        raise CorruptFrame("The frame is no JPEG 2000")
    _, _, right, bottom, left, top, _, _, _, _, count = _SIZ.unpack_from(frame, begin)
    components = frame[begin + _SIZ.size : begin + _SIZ.size + 3 * count]
    if len(components) < 3 * count or not count or right <= left or bottom <= top:
        raise CorruptFrame("The frame is no JPEG 2000")
    if components != components[:3] * count or components[1:3] != b"\x01\x01":
        raise UnsupportedPixels("The components of the frame differ in size or precision")
    depth = components[0]
    return Codestream(bottom - top, right - left, count, (depth & 0x7F) + 1, signed=bool(depth & 0x80))
