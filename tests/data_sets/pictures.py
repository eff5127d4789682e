"""Pictures of every form that pixels come in, and the files that hold them."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset, validate_file_meta
from pydicom.encaps import encapsulate
from pydicom.filewriter import dcmwrite
from pydicom.uid import UID, MultiFrameTrueColorSecondaryCaptureImageStorage, generate_uid

from isthmus.common.dicom.explicit import EXPLICIT_VR_LITTLE_ENDIAN
from isthmus.common.pixels.description import PixelDescription, PixelElement
from isthmus.common.pixels.syntaxes import NATIVE
from isthmus.common.pixels.transcode import pixel_data_vr

Samples = NDArray[Any]

GRAY: Final = PixelDescription(
    transfer_syntax_uid=EXPLICIT_VR_LITTLE_ENDIAN,
    rows=40,
    columns=48,
    samples_per_pixel=1,
    bits_allocated=16,
    bits_stored=12,
    high_bit=11,
    pixel_representation=0,
    photometric_interpretation="MONOCHROME2",
    planar_configuration=0,
)
RGB: Final = replace(
    GRAY,
    samples_per_pixel=3,
    bits_allocated=8,
    bits_stored=8,
    high_bit=7,
    photometric_interpretation="RGB",
)


def of_bits(description: PixelDescription, stored: int, *, signed: bool = False) -> PixelDescription:
    """The same form with other samples, in as many whole bytes as they need."""
    return replace(
        description,
        bits_allocated=8 * -(-stored // 8),
        bits_stored=stored,
        high_bit=stored - 1,
        pixel_representation=int(signed),
    )


def picture(description: PixelDescription, seed: int = 0) -> Samples:
    """Samples of a form: waves with some noise, the least and the most that there can be in two corners."""
    bits = description.bits_stored
    least, most = (
        (-(1 << bits - 1), (1 << bits - 1) - 1) if description.pixel_representation else (0, (1 << bits) - 1)
    )
    rows, columns, count = description.rows, description.columns, description.samples_per_pixel
    y, x, sample = np.mgrid[0:rows, 0:columns, 0:count].astype(float)
    waves = (np.sin(x / 7 + sample) + np.cos(y / 5 - sample) + 2) / 4
    noise = np.random.default_rng(seed).normal(0, 0.01, waves.shape)
    values = np.rint(least + (most - least) * np.clip(waves + noise, 0, 1))
    values[0, 0], values[-1, -1] = least, most
    kind = "i" if description.pixel_representation else "u"
    samples: Samples = values.astype(f"{kind}{max(description.bits_allocated // 8, 1)}")
    return samples.reshape(rows, columns) if count == 1 else samples


def picture_file(file: Path, description: PixelDescription, frames: Sequence[bytes]) -> Path:
    """Write an instance of a form, whatever its frames are."""
    syntax = UID(description.transfer_syntax_uid)
    ds = Dataset()
    ds.SOPClassUID = MultiFrameTrueColorSecondaryCaptureImageStorage
    ds.SOPInstanceUID = generate_uid(entropy_srcs=[file.name, repr(description)])
    ds.PatientName, ds.PatientID, ds.Modality = "Pictured^Paula", "PICTURE", "OT"
    ds.StudyInstanceUID = generate_uid(entropy_srcs=["pictures"])
    ds.SeriesInstanceUID = generate_uid(entropy_srcs=["pictures", str(file.parent)])
    ds.SamplesPerPixel = description.samples_per_pixel
    ds.PhotometricInterpretation = description.photometric_interpretation
    if description.samples_per_pixel > 1:
        ds.PlanarConfiguration = description.planar_configuration
    ds.NumberOfFrames = len(frames)
    ds.Rows, ds.Columns = description.rows, description.columns
    ds.BitsAllocated = description.bits_allocated
    if description.element is PixelElement.INTEGER:
        ds.BitsStored, ds.HighBit = description.bits_stored, description.high_bit
        ds.PixelRepresentation = description.pixel_representation
    native = syntax in NATIVE
    value = b"".join(frames) if native else encapsulate([frame or bytes(2) for frame in frames])
    setattr(ds, description.element.value, value + bytes(len(value) % 2))
    element = ds[description.element.value]
    element.VR = pixel_data_vr(description, syntax)
    element.is_undefined_length = not native
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = syntax
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    ds.file_meta.FileMetaInformationGroupLength = 0  # it is counted
    validate_file_meta(ds.file_meta)
    ds.preamble = bytes(128)
    # pydicom does not know each syntax; none of those here is another than this.
    dcmwrite(file, ds, implicit_vr=False, little_endian=True, force_encoding=True)
    return file
