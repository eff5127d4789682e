"""PNG and GIF, decoded here since no transfer syntax holds them: within bounds, whatever they say."""

import warnings
from collections.abc import Iterable
from io import BytesIO

from PIL import Image

from isthmus.stow.pictures.raster import native_pixels
from isthmus.stow.reasons import Refusal
from tests.fuzz.refusals import refusing

_MOST_BYTES = 256 * 1024


def target(data: bytes) -> None:
    """Decode it: never more than is allowed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with refusing(Refusal):
            pixels, frames, samples = native_pixels(data, _MOST_BYTES)
            size = pixels.rows * pixels.columns * pixels.samples * pixels.bits // 8 * frames
            assert len(samples) == size <= _MOST_BYTES


def seeds() -> Iterable[bytes]:
    """One of each form."""
    for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"):
        yield _written(Image.new(mode, (5, 4)), "PNG")
    yield _written(Image.new("P", (5, 4)), "GIF")
    more = [Image.new("P", (5, 4), color) for color in (1, 2)]
    yield _written(Image.new("P", (5, 4)), "GIF", save_all=True, append_images=more, duration=5)


def _written(image: Image.Image, form: str, **options: object) -> bytes:
    file = BytesIO()
    image.save(file, form, **options)
    return file.getvalue()
