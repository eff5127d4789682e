"""Display shutters (PS3.3 C.7.6.11): what lies outside of them is not shown."""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from pydicom.dataset import Dataset

from isthmus.wado.pictures.rendering.frame_header import FrameHeader
from isthmus.wado.pictures.rendering.values import number, numbers, texts

Mask = NDArray[np.bool_]


def shutter_of(header: FrameHeader) -> Dataset:
    """Give the data set that says which shutters a frame has."""
    return header.source("FrameDisplayShutterSequence", "ShutterShape")


def shuttered(ds: Dataset, rows: int, columns: int) -> Mask | None:
    """Tell which pixels are hidden, or nothing where none is.

    Args:
        ds: Holds the Display Shutter Module's attributes; several shapes hide what any of them hides.
        rows: Of the image.
        columns: Of the image.
    """
    names = texts(ds, "ShutterShape")
    if not names:
        return None
    hidden: Mask = np.zeros((rows, columns), np.bool_)
    for name in names:
        if name == "RECTANGULAR":
            hidden |= _outside_rectangle(ds, rows, columns)
        elif name == "CIRCULAR":
            hidden |= _outside_circle(ds, rows, columns)
        elif name == "POLYGONAL":
            hidden |= _outside_polygon(ds, rows, columns)
    return hidden if hidden.any() else None


def level(ds: Dataset) -> int:
    """Give what is shown instead, of 8 bits: Shutter Presentation Value is a P-Value of 16."""
    value = number(ds, "ShutterPresentationValue")
    return 0 if value is None else min(max(round(value * 255 / 0xFFFF), 0), 255)


def _outside_rectangle(ds: Dataset, rows: int, columns: int) -> Mask:
    left, right = number(ds, "ShutterLeftVerticalEdge"), number(ds, "ShutterRightVerticalEdge")
    upper, lower = number(ds, "ShutterUpperHorizontalEdge"), number(ds, "ShutterLowerHorizontalEdge")
    if left is None or right is None or upper is None or lower is None:
        return np.zeros((rows, columns), np.bool_)
    row, column = np.arange(1, rows + 1), np.arange(1, columns + 1)
    return ((row < upper) | (row > lower))[:, None] | ((column < left) | (column > right))[None, :]


def _outside_circle(ds: Dataset, rows: int, columns: int) -> Mask:
    center, radius = numbers(ds, "CenterOfCircularShutter"), number(ds, "RadiusOfCircularShutter")
    if len(center) != 2 or radius is None:
        return np.zeros((rows, columns), np.bool_)
    row, column = np.ogrid[1 : rows + 1, 1 : columns + 1]
    return np.asarray((row - center[0]) ** 2 + (column - center[1]) ** 2 > radius**2)


def _outside_polygon(ds: Dataset, rows: int, columns: int) -> Mask:
    places = numbers(ds, "VerticesOfThePolygonalShutter")
    corners = [(column - 1, row - 1) for row, column in list(pairwise(places))[::2]]
    if len(corners) < 3:
        return np.zeros((rows, columns), np.bool_)
    shape = Image.new("1", (columns, rows), 1)
    ImageDraw.Draw(shape).polygon(corners, fill=0, outline=0)
    return np.asarray(shape, np.bool_)
