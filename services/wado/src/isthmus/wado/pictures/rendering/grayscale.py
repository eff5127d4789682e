"""Grayscale frames: Modality LUT, VOI LUT and Presentation LUT, in this order (PS3.4 N.2.1)."""

from dataclasses import dataclass, replace

import numpy as np

from isthmus.common.pixels.description import PixelDescription, PixelElement
from isthmus.wado.pictures.rendering.elementwise import Bytes, Pixels, elementwise, pieces
from isthmus.wado.pictures.rendering.frame_header import FrameHeader
from isthmus.wado.pictures.rendering.lookup_tables import MOST_ENTRIES, Floats, LookupTable
from isthmus.wado.pictures.rendering.modality import Transform, modality_transform
from isthmus.wado.pictures.rendering.padding import padding_range
from isthmus.wado.pictures.rendering.presentation_lut import presentation_transform
from isthmus.wado.pictures.rendering.request import Window
from isthmus.wado.pictures.rendering.voi import full_range, voi_transform, windowed


@dataclass(frozen=True, slots=True)
class GrayscaleStages:
    """What is done with each stored value; a stage that is not there is the identity."""

    modality: Transform | None
    voi: Transform | None
    """Where it is not there, it follows from the pixels; see `complete`."""
    presentation: Transform | None
    padding: tuple[float, float] | None
    """The lowest and the highest stored value that are no part of the image; these are black."""


def stages_of(header: FrameHeader, description: PixelDescription, window: Window | None) -> GrayscaleStages:
    """Give what an object says, but for a window that is asked for."""
    modality = modality_transform(header, signed=bool(description.pixel_representation))
    signed = modality is not None or bool(description.pixel_representation)
    return GrayscaleStages(
        modality,
        windowed(window) if window else voi_transform(header, signed=signed),
        presentation_transform(header.ds, description.photometric_interpretation),
        padding_range(header.ds, description),
    )


def complete(stages: GrayscaleStages, pixels: Pixels, description: PixelDescription) -> GrayscaleStages:
    """Give stages that say what is of interest, also where nobody does.

    Then values of up to 8 bits without a Modality LUT are shown as they are, the highest that there could be
    as white. Of all others the lowest of the frame is black and the highest white: few objects of more bits
    use their whole range, and the picture would be black.

    Args:
        stages: As they are said.
        pixels: The whole frame.
        description: Of the instance.
    """
    return stages if stages.voi else replace(stages, voi=_default(stages, pixels, description))


def shown(pixels: Pixels, stages: GrayscaleStages) -> Bytes:
    """Give the picture of a frame or a part of it: 0 is black, 255 is white.

    Args:
        pixels: As they are stored.
        stages: Complete ones.
    """

    def picture(values: Floats) -> Bytes:
        portions = values if stages.modality is None else stages.modality(values)
        for transform in (stages.voi, stages.presentation):
            portions = portions if transform is None else transform(portions)
        # What is no number is nothing to see.
        levels = np.rint(np.nan_to_num(portions, nan=0.0) * 255).astype(np.uint8)
        if stages.padding is not None:
            levels[(values >= stages.padding[0]) & (values <= stages.padding[1])] = 0
        return levels

    return elementwise(picture, pixels)


def _default(stages: GrayscaleStages, pixels: Pixels, description: PixelDescription) -> Transform:
    if stages.modality is None and _for_display(description):
        return full_range(0, (1 << description.bits_stored) - 1)
    lowest, highest = value_range(pixels, stages.padding)
    ends = np.array([lowest, highest])
    if isinstance(stages.modality, LookupTable):
        ends = stages.modality(np.arange(lowest, min(highest, lowest + MOST_ENTRIES) + 1))
    elif stages.modality is not None:
        ends = stages.modality(ends)
    return full_range(float(ends.min()), float(ends.max()))


def _for_display(description: PixelDescription) -> bool:
    return (
        description.element is PixelElement.INTEGER
        and description.bits_stored <= 8
        and not description.pixel_representation
    )


def value_range(pixels: Pixels, padding: tuple[float, float] | None) -> tuple[float, float]:
    """Give the lowest and the highest value that is no padding; of all where there is none else."""
    ranges = [found for piece in pieces(pixels) if (found := _range_of(piece, padding)) is not None]
    if not ranges:
        return value_range(pixels, None) if padding else (0.0, 0.0)
    lowest, highest = zip(*ranges, strict=True)
    return min(lowest), max(highest)


def _range_of(piece: Pixels, padding: tuple[float, float] | None) -> tuple[float, float] | None:
    if piece.dtype.kind == "f":
        piece = piece[np.isfinite(piece)]
    if padding is not None:
        piece = piece[(piece < padding[0]) | (piece > padding[1])]
    return (float(piece.min()), float(piece.max())) if piece.size else None
