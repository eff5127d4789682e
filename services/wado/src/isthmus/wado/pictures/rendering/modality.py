"""The Modality LUT: from what is stored to values with a meaning (PS3.3 C.11.1)."""

from collections.abc import Callable
from typing import Final

from pydicom.dataset import Dataset
from pydicom.uid import XRayAngiographicImageStorage, XRayRadiofluoroscopicImageStorage

from isthmus.wado.pictures.rendering.frame_header import FrameHeader
from isthmus.wado.pictures.rendering.lookup_tables import Floats, LookupTable
from isthmus.wado.pictures.rendering.values import items, number, text

Transform = Callable[[Floats], Floats]

_BACK_TO_INTENSITY: Final = {
    XRayAngiographicImageStorage,
    XRayRadiofluoroscopicImageStorage,
    "1.2.840.10008.5.1.4.1.1.12.3",  # biplane, retired
}
"""Classes whose Modality LUT leads back to the intensity of X-rays, and is not for display."""


def modality_transform(header: FrameHeader, *, signed: bool) -> Transform | None:
    """Give what is to be done with stored values, or nothing where that is the identity.

    Enhanced objects say it in the Pixel Value Transformation macro (PS3.3 C.7.6.16.2.9). Angiographic images
    may have a table that is not for display; DCMTK, dcm4che and fo-dicom leave it out too.

    Args:
        header: Of the frame.
        signed: Whether stored values may be negative.
    """
    source = header.source("PixelValueTransformationSequence", "RescaleSlope", "RescaleIntercept")
    if text(header.ds, "SOPClassUID") in _BACK_TO_INTENSITY:
        return _line(source)
    return transform_of(source, signed=signed)


def transform_of(ds: Dataset, *, signed: bool) -> Transform | None:
    """Give the transformation that a data set holds: a table, or a line."""
    for item in items(ds, "ModalityLUTSequence")[:1]:
        table = LookupTable.of(item, signed=signed)
        if table is not None:
            return table
    return _line(ds)


def _line(ds: Dataset) -> Transform | None:
    slope, intercept = number(ds, "RescaleSlope"), number(ds, "RescaleIntercept")
    slope, intercept = slope or 1.0, intercept or 0.0
    if (slope, intercept) == (1.0, 0.0):
        return None
    return lambda values: values * slope + intercept
