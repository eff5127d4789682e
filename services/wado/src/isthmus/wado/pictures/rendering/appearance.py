"""How a frame looks: what each stage of PS3.4 N.2 does to it."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from isthmus.common.pixels.description import PixelDescription
from isthmus.wado.pictures.rendering.frame_header import FrameHeader
from isthmus.wado.pictures.rendering.geometry import Placement, box_of, size_of
from isthmus.wado.pictures.rendering.grayscale import GrayscaleStages, stages_of
from isthmus.wado.pictures.rendering.overlays import drawn
from isthmus.wado.pictures.rendering.palette import Palette
from isthmus.wado.pictures.rendering.pixel_shape import pixel_height
from isthmus.wado.pictures.rendering.request import RenderRequest
from isthmus.wado.pictures.rendering.shutters import level, shutter_of, shuttered

Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False, slots=True)
class Appearance:
    """What is done to the pixels of one frame, in this order."""

    stages: GrayscaleStages
    """For grayscale only."""
    pseudo_colours: Palette | None
    """For what is gray after all stages."""
    covers: tuple[tuple[Mask, int], ...]
    """Overlays and shutters: which pixels, and what level they get."""
    placement: Placement
    draw: Callable[[Image.Image], None] | None = None
    """Draws graphics over the picture."""


def appearance_of(
    header: FrameHeader, description: PixelDescription, frame: bytes, request: RenderRequest
) -> Appearance:
    """Give how a frame looks by its own header and by what is asked for.

    Raises:
        OutsideImage: the region that is asked for holds nothing of it.
    """
    box = box_of(request.region, description.columns, description.rows)
    width, height = (request.region.width, request.region.height) if request.region else (None, None)
    placement = Placement(
        box,
        size_of(box, pixel_height(header), request.viewport, description.rows * description.columns),
        flipped_horizontally=width is not None and width < 0,
        flipped_vertically=height is not None and height < 0,
    )
    shutter = shutter_of(header)
    covers = (
        (drawn(header.ds, description, frame, header.number), 255),
        (shuttered(shutter, description.rows, description.columns), level(shutter)),
    )
    return Appearance(
        stages_of(header, description, request.window),
        None,
        tuple((mask, value) for mask, value in covers if mask is not None),
        placement,
    )
