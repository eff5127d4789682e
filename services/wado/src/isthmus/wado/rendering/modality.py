"""The Modality LUT: from what is stored to values with a meaning (PS3.3 C.11.1)."""

from collections.abc import Callable

from pydicom.dataset import Dataset

from isthmus.wado.rendering.frame_header import FrameHeader
from isthmus.wado.rendering.lookup_tables import Floats, LookupTable
from isthmus.wado.rendering.values import items, number

Transform = Callable[[Floats], Floats]


def modality_transform(header: FrameHeader, *, signed: bool) -> Transform | None:
    """Give what is to be done with stored values, or nothing where that is the identity.

    Enhanced objects say it in the Pixel Value Transformation macro (PS3.3 C.7.6.16.2.9).

    Args:
        header: Of the frame.
        signed: Whether stored values may be negative.
    """
    return transform_of(
        header.source("PixelValueTransformationSequence", "RescaleSlope", "RescaleIntercept"), signed=signed
    )


def transform_of(ds: Dataset, *, signed: bool) -> Transform | None:
    """Give the transformation that a data set holds: a table, or a line."""
    for item in items(ds, "ModalityLUTSequence")[:1]:
        table = LookupTable.of(item, signed=signed)
        if table is not None:
            return table
    slope, intercept = number(ds, "RescaleSlope"), number(ds, "RescaleIntercept")
    slope, intercept = slope or 1.0, intercept or 0.0
    if (slope, intercept) == (1.0, 0.0):
        return None
    return lambda values: values * slope + intercept
