"""Series of small CT images, the same ones each time."""

import random
from pathlib import Path

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filewriter import dcmwrite
from pydicom.uid import (
    UID,
    CTImageStorage,
    ExplicitVRLittleEndian,
    RLELossless,
    generate_uid,
)

from tests.planted import NAME, PATIENT_ID


def make_series(
    directory: Path,
    n: int,
    *,
    rows: int = 16,
    columns: int = 16,
    study_uid: str | None = None,
    transfer_syntax: UID = ExplicitVRLittleEndian,
    seed: int = 0,
) -> list[Path]:
    """Write a series of CT images (PS3.3 A.3), with noise for pixels.

    Args:
        directory: takes the files; one that exists is overwritten.
        n: how many images.
        rows: of each image; its pixels take `2 * rows * columns` bytes.
        columns: of each image.
        study_uid: the study that the series belongs to; without it, one of its own.
        transfer_syntax: one of the native ones, or RLE Lossless.
        seed: another seed gives another patient, study and series, and other pixels.

    Returns:
        The files, in the order of their Instance Numbers.
    """
    directory.mkdir(parents=True, exist_ok=True)
    study = study_uid or _uid("study", seed)
    noise = random.Random(seed)
    files = []
    for number in range(1, n + 1):
        ds = _image(seed, study, number)
        ds.Rows, ds.Columns = rows, columns
        ds.PixelData = noise.randbytes(2 * rows * columns)
        ds["PixelData"].VR = "OW"
        file = directory / f"{seed}.{number:05}.dcm"
        _write(ds, file, transfer_syntax)
        files.append(file)
    return files


def _uid(kind: str, *entropy: object) -> UID:
    return generate_uid(entropy_srcs=[kind, *map(str, entropy)])


def _image(seed: int, study: str, number: int) -> Dataset:
    ds = Dataset()
    ds.SpecificCharacterSet = "ISO_IR 192"
    ds.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    ds.SOPClassUID = CTImageStorage
    ds.SOPInstanceUID = _uid("instance", study, seed, number)
    ds.StudyDate = "20240229"
    ds.StudyTime = "101500"
    ds.AccessionNumber = f"A{seed}"
    ds.Modality = "CT"
    ds.Manufacturer = "Isthmus"
    ds.ReferringPhysicianName = "Refer^Rita"
    ds.StudyDescription = "Synthetic"
    ds.SeriesDescription = f"Series {seed}"
    ds.PatientName = f"{NAME} {seed}"
    ds.PatientID = f"{PATIENT_ID}{seed}"
    ds.PatientBirthDate = "19700101"
    ds.PatientSex = "O"
    ds.PatientAge = "054Y"
    ds.StudyInstanceUID = study
    ds.SeriesInstanceUID = _uid("series", study, seed)
    ds.StudyID = str(seed)
    ds.SeriesNumber = seed
    ds.InstanceNumber = number
    ds.ImagePositionPatient = [0, 0, number]
    ds.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    ds.FrameOfReferenceUID = _uid("frame of reference", study, seed)
    ds.PixelSpacing = [1, 1]
    ds.SliceThickness = 1
    ds.KVP = 120
    ds.SamplesPerPixel = 1
    ds.PhotometricInterpretation = "MONOCHROME2"
    ds.BitsAllocated = 16
    ds.BitsStored = 16
    ds.HighBit = 15
    ds.PixelRepresentation = 0
    ds.RescaleIntercept = 0
    ds.RescaleSlope = 1
    return ds


def _write(ds: Dataset, file: Path, transfer_syntax: UID) -> None:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = ds.SOPClassUID
    meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    meta.TransferSyntaxUID = ExplicitVRLittleEndian if transfer_syntax == RLELossless else transfer_syntax
    ds.file_meta = meta
    if transfer_syntax == RLELossless:
        # The encoder must not depend on which plugins are installed.
        ds.compress(RLELossless, encoding_plugin="pydicom", generate_instance_uid=False)
    dcmwrite(file, ds, enforce_file_format=True)
