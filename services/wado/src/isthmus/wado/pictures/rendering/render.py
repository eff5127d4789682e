"""One picture of an instance: the stages of PS3.4 N.2 and PS3.18 8.3.5, in their order."""

import warnings
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache, partial
from typing import Final

import numpy as np
from PIL import Image
from pydicom.dataset import Dataset

from isthmus.common.pixels.decode import MAX_BYTES, DecodedFrame, decode_frame
from isthmus.common.pixels.description import PixelDescription
from isthmus.wado.pictures.rendering.animation import delays_of, gif, loops
from isthmus.wado.pictures.rendering.annotations import annotated
from isthmus.wado.pictures.rendering.appearance import Appearance, appearance_of
from isthmus.wado.pictures.rendering.colour import rgb
from isthmus.wado.pictures.rendering.elementwise import Bytes, Pixels, elementwise
from isthmus.wado.pictures.rendering.encode import jpeg, png
from isthmus.wado.pictures.rendering.frame_header import FrameHeader
from isthmus.wado.pictures.rendering.grayscale import complete, shown
from isthmus.wado.pictures.rendering.icc import coloured
from isthmus.wado.pictures.rendering.palette import Palette
from isthmus.wado.pictures.rendering.presentation_state import presented
from isthmus.wado.pictures.rendering.request import MediaType, RenderRequest
from isthmus.wado.pictures.rendering.values import header_of, text


def render(
    head: bytes,
    description: PixelDescription,
    frames: Sequence[bytes],
    request: RenderRequest,
    max_frame_bytes: int = MAX_BYTES,
) -> bytes:
    """Render frames of an instance as one picture, or as one animation.

    Args:
        head: The instance without its pixels, a Part 10 file.
        description: Of its pixels.
        frames: As they are held, one for each number of the request.
        request: What the picture shall be.
        max_frame_bytes: What one decoded frame may take.

    Raises:
        PixelsError: the pixels cannot be read, or not be shown (`isthmus.common.pixels.errors`).
        RenderingError: what is asked for cannot be drawn (`isthmus.wado.pictures.rendering.errors`).
        ValueError: there are not as many frames as numbers, or several where the media type takes one.
    """
    if len(frames) != len(request.frame_numbers) or not frames:
        raise ValueError("There must be one frame for each number")
    if len(frames) > 1 and request.media_type is not MediaType.GIF:
        raise ValueError(f"{request.media_type.value} takes one frame")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of pydicom: they hold values, and go to the log
        ds = _read(head)
        pictures = (
            _picture(FrameHeader(ds, number), description, frame, request, max_frame_bytes)
            for number, frame in zip(request.frame_numbers, frames, strict=True)
        )
        return _encoded(pictures, ds, request)


@lru_cache(maxsize=2)
def _read(head: bytes) -> Dataset:
    """Read a header; that of an image of many frames takes longer to read than one of them to be shown."""
    return header_of(head)


def _encoded(
    pictures: Iterator[tuple[Image.Image, bytes | None]], ds: Dataset, request: RenderRequest
) -> bytes:
    if request.media_type is MediaType.GIF:
        delays = delays_of(ds, request.frame_numbers)
        timed = ((picture, delay) for (picture, _), delay in zip(pictures, delays, strict=True))
        return gif(timed, loops=loops(ds))
    picture, icc_profile = next(pictures)
    if request.media_type is MediaType.PNG:
        return png(picture, icc_profile)
    return jpeg(picture, request.quality, icc_profile)


def _picture(
    header: FrameHeader, description: PixelDescription, frame: bytes, request: RenderRequest, max_bytes: int
) -> tuple[Image.Image, bytes | None]:
    if request.presentation is None:
        appearance = appearance_of(header, description, frame, request)
    else:
        appearance = presented(request.presentation, header, description, frame, request.viewport)
    image = _image(header, description, decode_frame(frame, description, max_bytes), appearance)
    picture = appearance.placement.picture(image)
    if appearance.draw is not None:
        appearance.draw(picture)
    picture, icc_profile = coloured(picture, header, request.icc_profile, request.media_type)
    return annotated(picture, header, request.annotations), icc_profile


def _image(
    header: FrameHeader, description: PixelDescription, decoded: DecodedFrame, appearance: Appearance
) -> Image.Image:
    """Give what is to be seen of each pixel, made of some rows at a time: a frame may be large."""
    levels_of = _levels(header, description, decoded, appearance)
    rows, columns = decoded.array.shape[:2]
    step = max(_BAND // columns, 1)
    image: Image.Image | None = None
    for top in range(0, rows, step):
        band = levels_of(decoded.array[top : top + step])
        for mask, level in appearance.covers:
            band = band if band.flags.writeable else band.copy()
            band[mask[top : top + step]] = level
        part = Image.fromarray(band)
        image = image or (part if step >= rows else Image.new(part.mode, (columns, rows)))
        if image is not part:
            image.paste(part, (0, top))
    assert image is not None  # noqa: S101 - there is a row
    return image


_BAND: Final = 1 << 22
"""Pixels."""


def _levels(
    header: FrameHeader, description: PixelDescription, decoded: DecodedFrame, appearance: Appearance
) -> Callable[[Pixels], Bytes]:
    """Give the function that makes one byte of gray of pixels, or three of colour."""
    pixels, photometric = decoded.array, decoded.photometric_interpretation
    if pixels.ndim == 3:
        return partial(rgb, photometric_interpretation=photometric, bits_stored=description.bits_stored)
    signed = bool(description.pixel_representation)
    if photometric == "PALETTE COLOR":
        return partial(elementwise, Palette.of(header.ds, signed=signed))
    stages = complete(appearance.stages, pixels, description)
    if appearance.pseudo_colours is not None:
        palette = appearance.pseudo_colours
        return lambda band: elementwise(palette.stretched, shown(band, stages))
    if text(header.ds, "PixelPresentation") in _PARTLY_COLOURED and Palette.is_in(header.ds):
        palette = Palette.of(header.ds, signed=signed)
        return lambda band: _supplemented(shown(band, stages), band, palette)
    return lambda band: shown(band, stages)


_PARTLY_COLOURED: Final = frozenset({"COLOR", "MIXED"})


def _supplemented(levels: Bytes, pixels: Pixels, palette: Palette) -> Bytes:
    """Show what lies in the range of the Supplemental Palette in its colours (PS3.3 C.8.16.2.1.1.1)."""
    colours = np.repeat(levels[:, :, np.newaxis], 3, axis=2)
    of_palette = pixels >= palette.first
    colours[of_palette] = palette(pixels[of_palette].astype(np.float64))
    return colours
