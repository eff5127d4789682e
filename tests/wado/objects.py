"""Objects for the tests of what is rendered: with frames, damaged, and without pixels."""

from io import BytesIO
from pathlib import Path

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate, generate_frames
from pydicom.filewriter import dcmwrite
from pydicom.uid import (
    MPEG4HP41,
    EncapsulatedPDFStorage,
    ExplicitVRLittleEndian,
    GrayscaleSoftcopyPresentationStateStorage,
    MultiFrameGrayscaleByteSecondaryCaptureImageStorage,
    RLELossless,
    generate_uid,
)

from tests.data_sets import pydicom_files

VIDEO = bytes(range(256)) * 5
PDF = b"%PDF-1.4\n" + b"not much of a document\n" * 101


def file_of(name: str) -> Path:
    """A file of pydicom's."""
    return next(file for file in pydicom_files() if file.name == name)


def ground(study: str, series: str, sop_class: str) -> Dataset:
    """Begin an object."""
    ds = Dataset()
    ds.SpecificCharacterSet = "ISO_IR 192"
    ds.SOPClassUID, ds.SOPInstanceUID = sop_class, generate_uid()
    ds.StudyInstanceUID, ds.SeriesInstanceUID = study, series
    ds.PatientID, ds.PatientName = "RENDERED", "Nobody^Nil"
    ds.Modality, ds.InstanceNumber = "OT", 1
    return ds


def written(ds: Dataset) -> bytes:
    """Write an object as a file."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = ds.SOPClassUID
    meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    meta.TransferSyntaxUID = getattr(
        getattr(ds, "file_meta", None), "TransferSyntaxUID", ExplicitVRLittleEndian
    )
    ds.file_meta = meta
    file = BytesIO()
    dcmwrite(file, ds, enforce_file_format=True)
    return file.getvalue()


def gray(levels: list[int], *, study: str, series: str, rows: int = 8, columns: int = 12) -> Dataset:
    """Make an image of frames, each of one level."""
    ds = ground(study, series, MultiFrameGrayscaleByteSecondaryCaptureImageStorage)
    ds.NumberOfFrames, ds.Rows, ds.Columns = len(levels), rows, columns
    ds.SamplesPerPixel, ds.PhotometricInterpretation, ds.PixelRepresentation = 1, "MONOCHROME2", 0
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = 8, 8, 7
    ds.WindowCenter, ds.WindowWidth = 128, 256
    ds.PixelData = b"".join(bytes([level]) * (rows * columns) for level in levels)
    ds["PixelData"].VR = "OB"
    return ds


def damaged(study: str, series: str) -> bytes:
    """Make an image whose compressed pixels end in the middle."""
    ds = gray([10], study=study, series=series, rows=64, columns=64)
    ds.PixelData = bytes(range(256)) * 16
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.compress(RLELossless, encoding_plugin="pydicom", generate_instance_uid=False)
    frame = next(generate_frames(ds.PixelData, number_of_frames=1))
    ds.PixelData = encapsulate([frame[: len(frame) // 2 & ~1]])
    return written(ds)


def bomb(study: str, series: str) -> bytes:
    """Make an image of some bytes that says that it has 4 GB."""
    ds = gray([10], study=study, series=series, rows=64, columns=64)
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.compress(RLELossless, encoding_plugin="pydicom", generate_instance_uid=False)
    ds.Rows = ds.Columns = 65535
    return written(ds)


def video(study: str, series: str) -> bytes:
    """Make something that says that it is a video."""
    ds = gray([0] * 3, study=study, series=series)
    ds.PixelData = encapsulate([VIDEO])
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = MPEG4HP41
    return written(ds)


def pdf(study: str, series: str) -> bytes:
    """Make a document."""
    ds = ground(study, series, EncapsulatedPDFStorage)
    ds.Modality = "DOC"
    ds.MIMETypeOfEncapsulatedDocument = "application/pdf"
    ds.EncapsulatedDocument = PDF + b"\0" * (len(PDF) % 2)
    ds.EncapsulatedDocumentLength = len(PDF)
    return written(ds)


def inverting(image: Dataset) -> bytes:
    """Make a presentation state that shows an image the other way round."""
    ds = ground(image.StudyInstanceUID, generate_uid(), GrayscaleSoftcopyPresentationStateStorage)
    ds.Modality = "PR"
    ds.PresentationLUTShape = "INVERSE"
    reference, series = Dataset(), Dataset()
    reference.ReferencedSOPClassUID = image.SOPClassUID
    reference.ReferencedSOPInstanceUID = image.SOPInstanceUID
    series.SeriesInstanceUID, series.ReferencedImageSequence = image.SeriesInstanceUID, [reference]
    ds.ReferencedSeriesSequence = [series]
    area = Dataset()
    area.DisplayedAreaTopLeftHandCorner = [1, 1]
    area.DisplayedAreaBottomRightHandCorner = [image.Columns, image.Rows]
    area.PresentationSizeMode, area.PresentationPixelAspectRatio = "SCALE TO FIT", [1, 1]
    ds.DisplayedAreaSelectionSequence = [area]
    return written(ds)
