"""PNG and GIF, which no transfer syntax holds: they become native pixels (PS3.18 Table 10.5.2-1, its notes).

Transparency is discarded, palettes become RGB. Runs in a worker process.
"""

import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import Final

from PIL import Image

from isthmus.stow.pictures.compressed import Pixels, Unreadable
from isthmus.stow.reasons import OUT_OF_RESOURCES, Refusal

PNG: Final = b"\x89PNG\r\n\x1a\n"
GIF: Final = b"GIF8"

_DEPTH, _COLOUR_TYPE = 24, 25
"""Where the header of a PNG file has the bits of a sample, and what they are of (ISO/IEC 15948 11.2.2)."""
_GREY: Final = frozenset((0, 4))
_WIDE_GREY: Final = "I;16"
_SCREEN: Final = 6
_EXTENSION, _IMAGE = 0x21, 0x2C
_DAMAGE: Final = (OSError, SyntaxError, EOFError, ValueError, LookupError, struct.error)
"""What the decoders raise."""


class TooLargePicture(Refusal):
    """Its pixels would be more than a limit of ours."""

    status = OUT_OF_RESOURCES


def native_pixels(data: bytes, most_bytes: int) -> tuple[Pixels, int, bytes]:
    """Give what the pixels are, how many frames there are, and all of them one after another.

    Args:
        data: The file.
        most_bytes: Of all its pixels together; what decoding takes is a few times as much.

    Raises:
        Unreadable: it is none, damaged, or has samples that would lose bits.
        TooLargePicture: there would be more pixels.
    """
    try:
        is_gif = data.startswith(GIF)
        frames = _count_frames(data) if is_gif else 1
        if not frames:
            raise Unreadable("a GIF without a picture")
        is_grey = not is_gif and data[_COLOUR_TYPE] in _GREY
        is_wide = not is_gif and data[_DEPTH] == 16
        if is_wide and data[_COLOUR_TYPE] != 0:
            raise Unreadable("a PNG of 16 bits in colour, or with alpha")
        pixel_bytes = (1 if is_grey else 3) * (2 if is_wide else 1) * frames
        mode = _WIDE_GREY if is_wide else "L" if is_grey else "RGB"
        with (
            _no_more_pixels_than(most_bytes // pixel_bytes),
            Image.open(BytesIO(data), formats=("PNG", "GIF")) as image,
        ):
            return _read(image, mode, frames)
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        raise TooLargePicture("a picture of more pixels than are taken") from None
    except Refusal:
        raise
    except _DAMAGE:
        raise Unreadable("no PNG or GIF that can be read") from None


@contextmanager
def _no_more_pixels_than(most: int) -> Iterator[None]:
    """Whatever a file says on the way, a GIF in each of its frames: no more is ever allocated."""
    before = Image.MAX_IMAGE_PIXELS
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        Image.MAX_IMAGE_PIXELS = most
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = before


def _read(image: Image.Image, mode: str, frames: int) -> tuple[Pixels, int, bytes]:
    size = image.size
    native = bytearray()
    for number in range(frames):
        if number:
            image.seek(number)
        frame = image if image.mode == mode else image.convert(mode)
        if frame.size != size:
            raise Unreadable("a GIF whose frames differ in size")
        native += frame.tobytes()
    samples, bits = 3 if mode == "RGB" else 1, 16 if mode == _WIDE_GREY else 8
    photometric = "RGB" if mode == "RGB" else "MONOCHROME2"
    return Pixels(size[1], size[0], samples, bits, photometric), frames, bytes(native)


def _count_frames(data: bytes) -> int:
    """Count the images of a GIF without decoding them (GIF89a, 20 to 26)."""
    at = _SCREEN + 7 + _palette(data[_SCREEN + 4])
    frames = 0
    while data[at] in (_EXTENSION, _IMAGE):
        if data[at] == _IMAGE:
            frames += 1
            at += 10 + _palette(data[at + 9]) + 1
        else:
            at += 2
        while data[at]:
            at += 1 + data[at]
        at += 1
    return frames


def _palette(flags: int) -> int:
    """Give the bytes of a colour table, if there is one."""
    return 3 * 2 ** (1 + (flags & 7)) if flags & 0x80 else 0
