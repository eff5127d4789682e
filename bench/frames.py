"""Instances of many frames, native, deflated and compressed, each written without ever being in memory."""

import itertools
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from struct import pack
from typing import Final

import pydicom
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    MultiFrameGrayscaleWordSecondaryCaptureImageStorage,
)

from bench.data import Study, ct_pixels
from isthmus.common.dicom.part10 import file_header
from isthmus.common.pixels.description import PixelDescription
from isthmus.common.pixels.transcode import transcoded_frame
from tests.data_sets import make_series

_DISTINCT: Final = 8
"""Compressed frames that differ from each other, as it takes time to make them; they come in turns."""
_PIXEL_DATA: Final = (0x7FE0, 0x0010)
_ITEM: Final = (0xFFFE, 0xE000)
_SEQUENCE_DELIMITATION: Final = (0xFFFE, 0xE0DD)
_UNDEFINED: Final = 0xFFFFFFFF


def ct_frames(
    directory: Path,
    number: int,
    *,
    seed: int,
    rows: int = 512,
    transfer_syntax: UID = ExplicitVRLittleEndian,
) -> Study:
    """Make one instance whose frames are like CT images, of 16 bits a pixel.

    Args:
        directory: Takes the file.
        number: How many frames.
        seed: Another one gives another study, and other pixels.
        rows: Of a frame, and columns.
        transfer_syntax: Explicit VR Little Endian, Deflated, RLE, or JPEG-LS or JPEG 2000 without loss.
    """
    ds = _header(directory, number, rows, seed)
    pixels = ct_pixels(rows, seed)
    if transfer_syntax.is_encapsulated:
        value = _encapsulated(ds, itertools.islice(pixels, _DISTINCT), number, transfer_syntax)
    else:
        value = _native(itertools.islice(pixels, number), 2 * rows * rows * number)
    written: Iterable[bytes] = itertools.chain([_written(ds)], value)
    if transfer_syntax == DeflatedExplicitVRLittleEndian:
        written = _deflated(written)
    file = directory / f"frames-{seed}.dcm"
    with file.open("wb") as output:
        output.write(
            file_header(
                sop_class_uid=ds.SOPClassUID,
                sop_instance_uid=ds.SOPInstanceUID,
                transfer_syntax_uid=transfer_syntax,
                source_ae_title=None,
            )
        )
        for piece in written:
            output.write(piece)
    return Study((file,))


def compressed(study: Study, transfer_syntax: UID) -> Study:
    """Compress the images of a study, in the same files."""
    for file in study.files:
        ds = pydicom.dcmread(file)
        ds.compress(transfer_syntax, generate_instance_uid=False)
        ds.save_as(file)
    return study


def _header(directory: Path, number: int, rows: int, seed: int) -> Dataset:
    (image,) = make_series(directory, 1, rows=rows, columns=rows, seed=seed)
    ds = pydicom.dcmread(image)
    image.unlink()
    ds.SOPClassUID = MultiFrameGrayscaleWordSecondaryCaptureImageStorage
    ds.NumberOfFrames = number
    ds.FrameIncrementPointer = 0x00181063  # Frame Time (PS3.3 C.7.6.6)
    ds.FrameTime = "40"
    del ds.PixelData
    return ds


def _written(ds: Dataset) -> bytes:
    output = DicomBytesIO()
    output.is_little_endian, output.is_implicit_VR = True, False
    write_dataset(output, ds)
    return output.getvalue()


def _native(frames: Iterable[bytes], size: int) -> Iterator[bytes]:
    yield pack("<HH2sxxL", *_PIXEL_DATA, b"OW", size)
    yield from frames


def _encapsulated(ds: Dataset, frames: Iterable[bytes], number: int, transfer_syntax: UID) -> Iterator[bytes]:
    """Write them without a Basic Offset Table (PS3.5 A.4), as most do."""
    description = PixelDescription.of(ds, ExplicitVRLittleEndian)
    made = [transcoded_frame(frame, description, transfer_syntax) for frame in frames]
    yield pack("<HH2sxxL", *_PIXEL_DATA, b"OB", _UNDEFINED) + pack("<HHL", *_ITEM, 0)
    for frame in itertools.islice(itertools.cycle(made), number):
        yield pack("<HHL", *_ITEM, len(frame) + len(frame) % 2) + frame + bytes(len(frame) % 2)
    yield pack("<HHL", *_SEQUENCE_DELIMITATION, 0)


def _deflated(written: Iterable[bytes]) -> Iterator[bytes]:
    """Deflate a data set (PS3.5 A.5)."""
    deflating = zlib.compressobj(level=1, wbits=-zlib.MAX_WBITS)
    for piece in written:
        yield deflating.compress(piece)
    yield deflating.flush()


def enhanced(directory: Path, number: int, *, seed: int, rows: int = 16) -> Study:
    """Make one instance of small frames that says much of each (PS3.3 C.7.6.16)."""
    study = ct_frames(directory, number, seed=seed, rows=rows)
    ds = pydicom.dcmread(study.files[0])
    ds.PerFrameFunctionalGroupsSequence = [_functional_groups(frame) for frame in range(1, number + 1)]
    ds.save_as(study.files[0])
    return study


def _functional_groups(frame: int) -> Dataset:
    content, position, orientation, measures, values, of_all = (Dataset() for _ in range(6))
    content.FrameAcquisitionNumber, content.FrameAcquisitionDuration = frame, 40.0
    content.DimensionIndexValues, content.StackID, content.InStackPositionNumber = [1, frame], "1", frame
    content.FrameAcquisitionDateTime = "20240229101500.000000"
    position.ImagePositionPatient = [0, 0, frame]
    orientation.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    measures.PixelSpacing, measures.SliceThickness = [1, 1], 1
    values.RescaleIntercept, values.RescaleSlope, values.RescaleType = 0, 1, "US"
    of_all.FrameContentSequence, of_all.PlanePositionSequence = [content], [position]
    of_all.PlaneOrientationSequence, of_all.PixelMeasuresSequence = [orientation], [measures]
    of_all.PixelValueTransformationSequence = [values]
    return of_all
