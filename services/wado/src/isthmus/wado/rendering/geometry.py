"""Where a picture's pixels come from: square pixels, the region, the viewport (PS3.18 8.3.5.1.3)."""

import math
from dataclasses import dataclass
from typing import Final

from PIL import Image

from isthmus.wado.rendering.errors import OutsideImage
from isthmus.wado.rendering.frame_header import FrameHeader
from isthmus.wado.rendering.request import Region, Viewport
from isthmus.wado.rendering.values import numbers

LARGEST: Final = 16384
"""Rows or columns that a picture may get by being enlarged."""

_SPACINGS: Final = ("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing")


def pixel_height(header: FrameHeader) -> float:
    """Give the height of a pixel, where its width is 1.

    It follows from the spacing of the pixels, which is rows first (PS3.3 10.7.1.3), or else from Pixel Aspect
    Ratio (0028,0034), which is there where no spacing is (PS3.3 C.7.6.3.1.7).
    """
    for keyword in _SPACINGS:
        ratio = _ratio(numbers(header.source("PixelMeasuresSequence", keyword), keyword))
        if ratio is not None:
            return ratio
    return _ratio(numbers(header.ds, "PixelAspectRatio")) or 1.0


def _ratio(pair: tuple[float, ...]) -> float | None:
    if len(pair) != 2 or min(pair) <= 0:
        return None
    ratio = pair[0] / pair[1]
    return ratio if 1 / _MOST_UNLIKELY < ratio < _MOST_UNLIKELY else None


_MOST_UNLIKELY: Final = 100
"""Pixels that are so many times as high as wide, or as wide as high, are mistakes in the header."""


@dataclass(frozen=True, slots=True)
class Box:
    """A part of the source image, in its pixels, inside of it, and whether it is flipped."""

    left: float
    upper: float
    right: float
    lower: float
    flipped_horizontally: bool = False
    flipped_vertically: bool = False

    @property
    def width(self) -> float:
        """Of the source."""
        return self.right - self.left

    @property
    def height(self) -> float:
        """Of the source."""
        return self.lower - self.upper


def box_of(region: Region | None, columns: int, rows: int) -> Box:
    """Give what of an image a region takes in.

    Raises:
        OutsideImage: it takes in nothing.
    """
    region = region or Region()
    left, upper = abs(region.x), abs(region.y)
    right = columns if region.width is None else left + abs(region.width)
    lower = rows if region.height is None else upper + abs(region.height)
    box = Box(
        left,
        upper,
        min(right, columns),
        min(lower, rows),
        flipped_horizontally=region.width is not None and region.width < 0,
        flipped_vertically=region.height is not None and region.height < 0,
    )
    if not (box.width > 0 and box.height > 0):
        raise OutsideImage(
            f"The region holds nothing of the image, which has {columns} columns and {rows} rows"
        )
    return box


def size_of(box: Box, height_of_pixel: float, viewport: Viewport | None) -> tuple[int, int]:
    """Give the width and the height of the picture.

    Without a viewport, a pixel of the image is one of the picture; where its pixels are not square, it is
    enlarged in one direction, so that nothing is lost.
    """
    width, height = box.width, box.height * height_of_pixel
    if viewport is not None:
        scale = min(viewport.width / width, viewport.height / height)
        limits = (viewport.width, viewport.height)
    else:
        scale = max(1.0, 1 / height_of_pixel)
        limits = (max(LARGEST, math.ceil(box.width)), max(LARGEST, math.ceil(box.height)))
        scale = min(scale, limits[0] / width, limits[1] / height)
    return min(max(round(width * scale), 1), limits[0]), min(max(round(height * scale), 1), limits[1])


def placed(picture: Image.Image, box: Box, size: tuple[int, int]) -> Image.Image:
    """Cut the box out, flip it, and scale it to a size."""
    picture = _scaled(picture, box, size)
    if box.flipped_horizontally:
        picture = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    if box.flipped_vertically:
        picture = picture.transpose(Image.Transpose.FLIP_TOP_BOTTOM)
    return picture


def _scaled(picture: Image.Image, box: Box, size: tuple[int, int]) -> Image.Image:
    edges = (box.left, box.upper, box.right, box.lower)
    if (box.width, box.height) == size and all(float(edge).is_integer() for edge in edges):
        whole = (0, 0, *picture.size)
        return (
            picture
            if edges == whole
            else picture.crop((int(edges[0]), int(edges[1]), int(edges[2]), int(edges[3])))
        )
    smaller = size[0] < box.width or size[1] < box.height
    resample = Image.Resampling.LANCZOS if smaller else Image.Resampling.BILINEAR
    return picture.resize(size, resample, box=edges, reducing_gap=3.0 if smaller else None)
