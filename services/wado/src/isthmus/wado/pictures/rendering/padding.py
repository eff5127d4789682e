"""Pixels that are no part of the image (PS3.3 C.7.5.1.1.2): background, which counts for no contrast."""

from typing import Final

from pydicom.dataset import Dataset

from isthmus.common.pixels.description import PixelDescription, PixelElement
from isthmus.wado.pictures.rendering.values import number

_KEYWORDS: Final = {
    PixelElement.INTEGER: ("PixelPaddingValue", "PixelPaddingRangeLimit"),
    PixelElement.FLOAT: ("FloatPixelPaddingValue", "FloatPixelPaddingRangeLimit"),
    PixelElement.DOUBLE: ("DoubleFloatPixelPaddingValue", "DoubleFloatPixelPaddingRangeLimit"),
}


def padding_range(ds: Dataset, description: PixelDescription) -> tuple[float, float] | None:
    """Give the lowest and the highest stored value that are padding, or nothing where there is none."""
    first, last = (number(ds, keyword) for keyword in _KEYWORDS[description.element])
    if first is None:
        return None
    limits = (first, first if last is None else last)
    if description.element is PixelElement.INTEGER and description.pixel_representation:
        limits = (_signed(limits[0], description), _signed(limits[1], description))
    return min(limits), max(limits)


def _signed(value: float, description: PixelDescription) -> float:
    """Undo that a negative value was written, or read, as US."""
    bits = description.bits_allocated
    return value - (1 << bits) if value >= 1 << (bits - 1) else value
