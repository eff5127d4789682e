"""Where a picture's pixels come from: the region, square pixels, the viewport (PS3.18 8.3.5.1.3)."""

import math
from dataclasses import dataclass
from typing import Final

from PIL import Image

from isthmus.wado.pictures.rendering.errors import OutsideImage
from isthmus.wado.pictures.rendering.request import Region, Viewport

_MOST_PIXELS: Final = 1 << 26
"""What a picture may have for being enlarged without a viewport."""
_LEAST: Final = 1 / 1024
"""Of a pixel, that a region must hold in a direction; Pillow takes what is much less for nothing."""
_MOST_OF_A_SIDE: Final = 0xFFFF
"""What an image may have, and a GIF."""


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in the pixels of the source image; that of a presentation state may reach out of it."""

    left: float
    upper: float
    right: float
    lower: float

    @property
    def width(self) -> float:
        """Of the source."""
        return self.right - self.left

    @property
    def height(self) -> float:
        """Of the source."""
        return self.lower - self.upper

    def inside(self, columns: int, rows: int) -> "Box":
        """Give the part that lies inside of an image.

        Raises:
            OutsideImage: there is none.
        """
        part = Box(max(self.left, 0), max(self.upper, 0), min(self.right, columns), min(self.lower, rows))
        if not (part.width >= _LEAST and part.height >= _LEAST):
            raise OutsideImage(
                f"The region holds nothing of the image, which has {columns} columns and {rows} rows"
            )
        return part


def box_of(region: Region | None, columns: int, rows: int) -> Box:
    """Give what of an image a region takes in.

    Raises:
        OutsideImage: it takes in nothing.
    """
    region = region or Region()
    left, upper = abs(region.x), abs(region.y)
    right = columns if region.width is None else left + abs(region.width)
    lower = rows if region.height is None else upper + abs(region.height)
    return Box(left, upper, right, lower).inside(columns, rows)


@dataclass(frozen=True, slots=True)
class Placement:
    """How the pixels of an image become those of a picture: cut out, scaled, turned, then flipped."""

    box: Box
    size: tuple[int, int]
    """Width and height, before it is turned."""
    quarter_turns: int = 0
    """Clockwise."""
    flipped_horizontally: bool = False
    flipped_vertically: bool = False

    def picture(self, image: Image.Image) -> Image.Image:
        """Make the picture of an image."""
        picture = _scaled(image, self.box, self.size)
        for wanted, transposition in (
            (self.quarter_turns == 1, Image.Transpose.ROTATE_270),  # Pillow turns counterclockwise
            (self.quarter_turns == 2, Image.Transpose.ROTATE_180),
            (self.quarter_turns == 3, Image.Transpose.ROTATE_90),
            (self.flipped_horizontally, Image.Transpose.FLIP_LEFT_RIGHT),
            (self.flipped_vertically, Image.Transpose.FLIP_TOP_BOTTOM),
        ):
            picture = picture.transpose(transposition) if wanted else picture
        return picture

    @property
    def turned_size(self) -> tuple[int, int]:
        """Width and height of the picture."""
        return self.size[::-1] if self.quarter_turns % 2 else self.size

    def point(self, x: float, y: float) -> tuple[float, float]:
        """Tell where a point of the image lies in the picture; 0, 0 is the corner of the first pixel."""
        x = (x - self.box.left) * self.size[0] / self.box.width
        y = (y - self.box.upper) * self.size[1] / self.box.height
        width, height = self.size
        for _ in range(self.quarter_turns):
            x, y, width, height = height - y, x, height, width
        return width - x if self.flipped_horizontally else x, height - y if self.flipped_vertically else y


def size_of(
    box: Box, pixel_height: float, viewport: Viewport | None, pixels: int, magnification: float = 1.0
) -> tuple[int, int]:
    """Give the width and the height of the picture.

    Without a viewport, a pixel of the image is one of the picture; where its pixels are not square, it is
    enlarged in one direction, so that nothing is lost.

    Args:
        box: What of the image is shown.
        pixel_height: That of a pixel which is 1 wide.
        viewport: What the picture must fit in.
        pixels: Of the image.
        magnification: Where there is no viewport.
    """
    width, height = box.width, box.height * pixel_height
    if viewport is not None:
        most = (viewport.width, viewport.height)
        scale = min(most[0] / width, most[1] / height)
    else:
        most = (_MOST_OF_A_SIDE, _MOST_OF_A_SIDE)
        scale = min(
            magnification * max(1.0, 1 / pixel_height),
            *(math.sqrt(max(_MOST_PIXELS, pixels) / (width * height)), most[0] / width, most[1] / height),
        )
    return min(max(round(width * scale), 1), most[0]), min(max(round(height * scale), 1), most[1])


def _scaled(image: Image.Image, box: Box, size: tuple[int, int]) -> Image.Image:
    part = box.inside(*image.size)
    if part != box:
        return _bordered(image, box, part, size)
    # Cut out first: what lies beside the region must not come in when it is scaled.
    left, upper = math.floor(box.left), math.floor(box.upper)
    cut = (left, upper, math.ceil(box.right), math.ceil(box.lower))
    if cut != (0, 0, *image.size):
        image = image.crop(cut)
    if (box.width, box.height) == size == image.size:
        return image
    smaller = size[0] < box.width or size[1] < box.height
    resample = Image.Resampling.LANCZOS if smaller else Image.Resampling.BILINEAR
    edges = (box.left - left, box.upper - upper, box.right - left, box.lower - upper)
    return image.resize(size, resample, box=edges, reducing_gap=3.0 if smaller else None)


def _bordered(image: Image.Image, box: Box, part: Box, size: tuple[int, int]) -> Image.Image:
    """Scale what there is, and leave the rest black."""
    across, down = size[0] / box.width, size[1] / box.height
    left, upper = round((part.left - box.left) * across), round((part.upper - box.upper) * down)
    right, lower = round((part.right - box.left) * across), round((part.lower - box.upper) * down)
    picture = Image.new(image.mode, size)
    picture.paste(_scaled(image, part, (max(right - left, 1), max(lower - upper, 1))), (left, upper))
    return picture
