"""Whether an image's pixels are square (PS3.3 10.7.1.3, C.7.6.3.1.7)."""

from typing import Final

from pydicom.dataset import Dataset

from isthmus.wado.pictures.rendering.frame_header import FrameHeader
from isthmus.wado.pictures.rendering.values import numbers

_SPACINGS: Final = ("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing")
_MOST_UNLIKELY: Final = 100
"""Pixels that are so many times as high as wide, or as wide as high, are mistakes in the header."""


def pixel_height(header: FrameHeader) -> float:
    """Give the height of a pixel, where its width is 1.

    It follows from the spacing of the pixels, that of the rows first, or else from Pixel Aspect Ratio
    (0028,0034), which is there where no spacing is.
    """
    for keyword in _SPACINGS:
        height = _height(header.source("PixelMeasuresSequence", keyword), keyword)
        if height is not None:
            return height
    return _height(header.ds, "PixelAspectRatio") or 1.0


def presented_pixel_height(area: Dataset) -> float | None:
    """Give the same as a presentation state's displayed area says it (PS3.3 C.10.4)."""
    spacing = _height(area, "PresentationPixelSpacing")
    return _height(area, "PresentationPixelAspectRatio") if spacing is None else spacing


def _height(ds: Dataset, keyword: str) -> float | None:
    pair = numbers(ds, keyword)
    if len(pair) != 2 or min(pair) <= 0:
        return None
    ratio = pair[0] / pair[1]
    return ratio if 1 / _MOST_UNLIKELY < ratio < _MOST_UNLIKELY else None
