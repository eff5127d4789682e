"""A CT series for the demo: a head of ellipsoids, after the phantom of Shepp and Logan."""

from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

SLICES: Final = 40
SIZE: Final = 256
"""Rows and columns of a slice."""
SPACING: Final = 0.9
"""Millimetres between pixels."""
DISTANCE: Final = 4.0
"""Millimetres between slices."""
_AIR: Final = -1000
_INTERCEPT: Final = -1024


class _Ellipsoid(NamedTuple):
    hounsfield: int
    axes: tuple[float, float, float]
    """Half of each, in parts of half the width of a slice."""
    centre: tuple[float, float, float]
    degrees: float = 0.0
    """Of its turn about the axis of the scanner."""


_HEAD: Final = (
    _Ellipsoid(1000, (0.69, 0.92, 0.9), (0, 0, 0)),
    _Ellipsoid(38, (0.6624, 0.874, 0.86), (0, -0.0184, 0)),
    _Ellipsoid(6, (0.11, 0.31, 0.22), (0.22, 0, -0.05), -18),
    _Ellipsoid(6, (0.16, 0.41, 0.28), (-0.22, 0, -0.05), 18),
    _Ellipsoid(52, (0.21, 0.25, 0.35), (0, 0.35, -0.15)),
    _Ellipsoid(60, (0.046, 0.046, 0.046), (0, 0.1, 0.25)),
    _Ellipsoid(60, (0.046, 0.046, 0.046), (0, -0.1, 0.25)),
    _Ellipsoid(70, (0.046, 0.023, 0.02), (-0.08, -0.605, 0)),
    _Ellipsoid(70, (0.023, 0.046, 0.02), (0.06, -0.605, 0)),
    _Ellipsoid(85, (0.056, 0.04, 0.1), (0.06, -0.105, 0.0625), 90),
)
"""Later ones in the place of earlier ones."""


def phantom() -> Iterator[FileDataset]:
    """Give the slices, from the feet upwards; always the same."""
    study, series, frame_of_reference = (generate_uid(entropy_srcs=["isthmus", name]) for name in "abc")
    for number in range(SLICES):
        ds = _image(number)
        ds.StudyInstanceUID = study
        ds.SeriesInstanceUID = series
        ds.FrameOfReferenceUID = frame_of_reference
        ds.SOPInstanceUID = generate_uid(entropy_srcs=["isthmus", "slice", str(number)])
        meta = FileMetaDataset()
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        meta.MediaStorageSOPClassUID = ds.SOPClassUID
        meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
        yield FileDataset("", ds, file_meta=meta, preamble=b"\0" * 128)


def _image(number: int) -> Dataset:
    height = (number - (SLICES - 1) / 2) * DISTANCE
    corner = -(SIZE - 1) / 2 * SPACING
    ds = Dataset()
    ds.SOPClassUID = CTImageStorage
    ds.PatientName = "Phantom^Head"
    ds.PatientID = "PHANTOM"
    ds.PatientSex = "O"
    ds.PatientBirthDate = ""
    ds.StudyID = "1"
    ds.StudyDate = ds.SeriesDate = "20260102"
    ds.StudyTime = ds.SeriesTime = "120000"
    ds.AccessionNumber = "ISTHMUS1"
    ds.ReferringPhysicianName = ""
    ds.StudyDescription = "Head of ellipsoids"
    ds.SeriesDescription = "Axial 4 mm"
    ds.Modality = "CT"
    ds.Manufacturer = "Isthmus"
    ds.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    ds.SeriesNumber = 1
    ds.InstanceNumber = number + 1
    ds.PatientPosition = "HFS"
    ds.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    ds.ImagePositionPatient = [corner, corner, height]
    ds.SliceLocation = height
    ds.SliceThickness = DISTANCE
    ds.PixelSpacing = [SPACING, SPACING]
    ds.PositionReferenceIndicator = ""
    ds.SamplesPerPixel = 1
    ds.PhotometricInterpretation = "MONOCHROME2"
    ds.Rows = ds.Columns = SIZE
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 12, 11, 0
    ds.RescaleIntercept, ds.RescaleSlope, ds.RescaleType = _INTERCEPT, 1, "HU"
    ds.WindowCenter, ds.WindowWidth = 40, 120
    stored = _slice(height) - _INTERCEPT
    ds.PixelData = stored.astype("<u2").tobytes()
    return ds


def _slice(height: float) -> NDArray[np.int32]:
    """Give the Hounsfield units of a slice at a height in millimetres."""
    half = SIZE / 2 * SPACING
    across = (np.arange(SIZE) - (SIZE - 1) / 2) * SPACING / half
    x, y, z = across[np.newaxis, :], -across[:, np.newaxis], height / half
    units = np.full((SIZE, SIZE), _AIR, np.int32)
    for ellipsoid in _HEAD:
        turn = np.deg2rad(ellipsoid.degrees)
        right, up = x - ellipsoid.centre[0], y - ellipsoid.centre[1]
        along, beside = right * np.cos(turn) + up * np.sin(turn), up * np.cos(turn) - right * np.sin(turn)
        a, b, c = ellipsoid.axes
        inside = (along / a) ** 2 + (beside / b) ** 2 + ((z - ellipsoid.centre[2]) / c) ** 2 <= 1
        units[inside] = ellipsoid.hounsfield
    return units
