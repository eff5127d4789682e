"""The VOI LUT: from values with a meaning to what is of interest, as portions of 0 to 1 (PS3.3 C.11.2)."""

import math
from collections.abc import Iterator
from itertools import zip_longest

import numpy as np
from pydicom.dataset import Dataset

from isthmus.wado.pictures.rendering.frame_header import FrameHeader
from isthmus.wado.pictures.rendering.lookup_tables import Floats, LookupTable
from isthmus.wado.pictures.rendering.modality import Transform
from isthmus.wado.pictures.rendering.request import Window, WindowFunction
from isthmus.wado.pictures.rendering.values import items, numbers, text


def windowed(window: Window) -> Transform:
    """Give the function of a window (PS3.3 C.11.2.1.2.1, C.11.2.1.3.1, C.11.2.1.3.2).

    A `LINEAR` one narrower than 1 has no formula; it is taken as `LINEAR_EXACT`.
    """
    center, width = window.center, window.width
    if window.function is WindowFunction.SIGMOID:
        return lambda values: _sigmoid(values, center, width)
    if window.function is WindowFunction.LINEAR and width >= 1:
        center, width = center - 0.5, width - 1
    if width == 0:
        return lambda values: (values > center).astype(np.float64)
    return lambda values: np.clip((values - center) / width + 0.5, 0, 1)


def _sigmoid(values: Floats, center: float, width: float) -> Floats:
    return 1 / (1 + np.exp(np.clip(-4 * (values - center) / width, -700, 700)))


def full_range(lowest: float, highest: float) -> Transform:
    """Give the function that spreads a range of values over all there is to see."""
    if highest <= lowest:
        return lambda values: (values > lowest).astype(np.float64)
    return lambda values: np.clip((values - lowest) / (highest - lowest), 0, 1)


def voi_transform(header: FrameHeader, *, signed: bool) -> Transform | None:
    """Give the first alternative that an object names, its tables before its windows.

    Enhanced objects name windows in the Frame VOI LUT macro (PS3.3 C.7.6.16.2.10).

    Args:
        header: Of the frame.
        signed: Whether the output of the Modality LUT may be negative.
    """
    return voi_of(
        header.source("FrameVOILUTSequence", "VOILUTSequence", "WindowCenter", "WindowWidth"), signed=signed
    )


def voi_of(ds: Dataset, *, signed: bool) -> Transform | None:
    """Give the first table or window of a data set that can be used."""
    for item in items(ds, "VOILUTSequence"):
        table = LookupTable.of(item, signed=signed)
        if table is not None:
            return _scaled(table)
    return next((windowed(window) for window in windows_of(ds)), None)


def windows_of(ds: Dataset) -> Iterator[Window]:
    """Give the windows of a data set that can be used; a width of 0 cannot."""
    try:
        function = WindowFunction(text(ds, "VOILUTFunction").upper())
    except ValueError:
        function = WindowFunction.LINEAR
    pairs = zip_longest(numbers(ds, "WindowCenter"), numbers(ds, "WindowWidth"), fillvalue=math.nan)
    return (
        Window(center, width, function) for center, width in pairs if width > 0 and not math.isnan(center)
    )


def _scaled(table: LookupTable) -> Transform:
    return lambda values: table(values) / table.highest
