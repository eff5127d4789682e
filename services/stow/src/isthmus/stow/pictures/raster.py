"""PNG and GIF, which no transfer syntax holds: they become native pixels (PS3.18 Table 10.5.2-1, its notes).

Transparency is discarded, palettes become RGB. Runs in a worker process.
"""

import warnings
from io import BytesIO
from typing import Final

from PIL import Image

from isthmus.stow.pictures.compressed import Pixels, Unreadable
from isthmus.stow.reasons import OUT_OF_RESOURCES, Refusal

PNG: Final = b"\x89PNG\r\n\x1a\n"
GIF: Final = b"GIF8"

_DEPTH: Final = 24
"""Where the header of a PNG file has the bits of a sample (ISO/IEC 15948 11.2.2)."""
_WIDE_GREY: Final = "I;16"


class TooLargePicture(Refusal):
    """Its pixels would be more than a limit of ours."""

    status = OUT_OF_RESOURCES


def native_pixels(data: bytes, most_bytes: int) -> tuple[Pixels, int, bytes]:
    """Give what the pixels are, how many frames there are, and all of them one after another.

    Args:
        data: The file.
        most_bytes: Of all its pixels together.

    Raises:
        Unreadable: it is none, damaged, or has samples that would lose bits.
        TooLargePicture: there would be more pixels.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of sizes, which are checked here
            Image.MAX_IMAGE_PIXELS = None
            with Image.open(BytesIO(data), formats=("PNG", "GIF")) as image:
                return _read(image, data, most_bytes)
    except (OSError, SyntaxError, EOFError, ValueError) as error:
        if isinstance(error, Refusal):
            raise
        raise Unreadable("no PNG or GIF that can be read") from None


def _read(image: Image.Image, data: bytes, most_bytes: int) -> tuple[Pixels, int, bytes]:
    frames = getattr(image, "n_frames", 1) if image.format == "GIF" else 1
    is_wide = image.format == "PNG" and data[_DEPTH] == 16
    is_grey = image.mode in ("1", "L", "LA", _WIDE_GREY) and frames == 1
    if is_wide and image.mode != _WIDE_GREY:
        raise Unreadable("a PNG of 16 bits in colour, or with alpha")
    samples, bits = 1 if is_grey else 3, 16 if is_wide else 8
    if frames * image.width * image.height * samples * bits // 8 > most_bytes:
        raise TooLargePicture("a picture of more pixels than are taken")
    mode = image.mode if is_wide else "L" if is_grey else "RGB"
    pixels = Pixels(image.height, image.width, samples, bits, "MONOCHROME2" if is_grey else "RGB")
    native = bytearray()
    for number in range(frames):
        if number:
            image.seek(number)
        native += (image if image.mode == mode else image.convert(mode)).tobytes()
    return pixels, frames, bytes(native)
