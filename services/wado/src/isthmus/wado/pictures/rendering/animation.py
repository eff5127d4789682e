"""Pictures as GIF: each frame is a picture of its own, also where two are alike (GIF89a)."""

import struct
from collections.abc import Iterable
from io import BytesIO
from typing import Final

from PIL import Image
from pydicom.dataset import Dataset

from isthmus.wado.pictures.rendering.values import number, numbers, text


def gif(pictures: Iterable[tuple[Image.Image, float]], *, loops: bool) -> bytes:
    """Encode as GIF, one picture after the other.

    Gray is kept as it is; of colours each picture has its 256 best.

    Args:
        pictures: With the milliseconds for which each is shown; those that are not of the first one's size
            are brought to it, as pixels may have another shape in each frame.
        loops: Begin again at the end.
    """
    result = bytearray()
    size: tuple[int, int] | None = None
    for picture, milliseconds in pictures:
        size = size or picture.size
        blocks = _Blocks.of(picture if picture.size == size else picture.resize(size))
        if not result:
            result += b"GIF89a" + struct.pack("<HHBBB", *size, 0x70, 0, 0)
            result += _LOOP if loops else b""
        delay = min(max(round(milliseconds / 10), _LEAST_DELAY), 0xFFFF)
        result += b"!\xf9\x04" + struct.pack("<BHBB", _KEEP, delay, 0, 0)
        result += blocks.descriptor + blocks.colours + blocks.data
    return bytes(result + b";")


_LEAST_DELAY: Final = 2
"""In 1/100 s; browsers show what is faster than this ten times slower."""
_KEEP: Final = 1 << 2
"""Leave the picture until the next one covers it."""
_LOOP: Final = b"!\xff\x0bNETSCAPE2.0\x03\x01\x00\x00\x00"


class _Blocks:
    """The blocks of a GIF of one picture, its colour table made its own."""

    def __init__(self, descriptor: bytes, colours: bytes, data: bytes) -> None:
        self.descriptor: Final = descriptor
        self.colours: Final = colours
        self.data: Final = data

    @classmethod
    def of(cls, picture: Image.Image) -> "_Blocks":
        if picture.mode == "RGB":
            picture = picture.quantize(256, method=Image.Quantize.MEDIANCUT)
        file = BytesIO()
        picture.save(file, "GIF", optimize=False, interlace=False)
        encoded = file.getvalue()
        flags = encoded[10]
        table = _GLOBAL_TABLE + (3 << (flags & 7) + 1 if flags & 0x80 else 0)
        place = table
        while encoded[place : place + 1] == b"!":
            place = _end_of_blocks(encoded, place + 2)
        descriptor = encoded[place : place + 9] + bytes([0x80 | flags & 7])
        return cls(descriptor, encoded[_GLOBAL_TABLE:table], encoded[place + 10 : -1])


_GLOBAL_TABLE: Final = 13


def _end_of_blocks(encoded: bytes, place: int) -> int:
    while encoded[place]:
        place += 1 + encoded[place]
    return place + 1


def delays_of(ds: Dataset, frame_numbers: Iterable[int]) -> list[float]:
    """Give the milliseconds for which each frame is shown (PS3.3 C.7.6.5).

    That is what is recommended for display, or else what lay between the frames when they were taken.
    """
    for keyword in ("RecommendedDisplayFrameRate", "CineRate"):
        rate = number(ds, keyword)
        if rate and rate > 0:
            return [1000 / rate for _ in frame_numbers]
    # The first one of a vector belongs to the first frame, which has none before it (PS3.3 C.7.6.5.1.2).
    increments = numbers(ds, "FrameTimeVector")
    frame_time = number(ds, "FrameTime") or 0.0
    default = frame_time if frame_time > 0 else _DEFAULT_DELAY
    delays = []
    for frame_number in frame_numbers:
        following = increments[frame_number] if frame_number < len(increments) else 0.0
        delays.append(following if following > 0 else default)
    return delays


_DEFAULT_DELAY: Final = 100.0


def loops(ds: Dataset) -> bool:
    """Tell whether an animation begins again; only Preferred Playback Sequencing (0018,1244) can say no."""
    return text(ds, "PreferredPlaybackSequencing") != "2"
