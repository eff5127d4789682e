"""What a header says of its pixels, and what it cannot say."""

from dataclasses import replace
from io import BytesIO

import pytest
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filereader import read_dataset
from pydicom.filewriter import write_dataset

from isthmus.common.pixels.description import PixelDescription, PixelElement
from isthmus.common.pixels.errors import NoPixels
from tests.data_sets.pictures import GRAY, RGB

EXPLICIT = "1.2.840.10008.1.2.1"


def header(**changes: object) -> Dataset:
    ds = Dataset()
    said = {
        "Rows": 40,
        "Columns": 48,
        "SamplesPerPixel": 1,
        "BitsAllocated": 16,
        "BitsStored": 12,
        "HighBit": 11,
        "PixelRepresentation": 0,
        "PhotometricInterpretation": "MONOCHROME2",
    }
    for keyword, value in (said | changes).items():
        if value is not None:
            setattr(ds, keyword, value)
    return ds


def test_a_header_describes_its_pixels() -> None:
    assert PixelDescription.of(header(), EXPLICIT) == GRAY


@pytest.mark.parametrize("big_endian", [False, True])
def test_a_header_is_read_as_it_is_encoded_and_what_is_empty_is_not_there(big_endian: bool) -> None:
    ds = header(NumberOfFrames="7")
    ds["HighBit"].value = None
    encoded = DicomBytesIO()
    encoded.is_little_endian, encoded.is_implicit_VR = not big_endian, False
    write_dataset(encoded, ds)
    read = read_dataset(BytesIO(encoded.getvalue()), is_implicit_VR=False, is_little_endian=not big_endian)
    assert PixelDescription.of(read, EXPLICIT) == replace(GRAY, number_of_frames=7)


def test_what_may_be_missing_is_what_it_mostly_is() -> None:
    sparse = header(BitsStored=None, HighBit=None, SamplesPerPixel=None, PhotometricInterpretation=None)
    described = PixelDescription.of(sparse, EXPLICIT)
    assert described == replace(GRAY, bits_stored=16, high_bit=15)


@pytest.mark.parametrize("number", [3, 16])
def test_a_high_bit_that_cannot_be_is_the_usual_one(number: int) -> None:
    assert PixelDescription.of(header(HighBit=number), EXPLICIT) == GRAY


@pytest.mark.parametrize("text", ["30", "1", "1A", "0", "-2", ""])
def test_what_is_no_number_of_frames_is_one(text: str) -> None:
    described = PixelDescription.of(header(NumberOfFrames=None), EXPLICIT)
    ds = header()
    ds.add_new("NumberOfFrames", "LO", text)
    assert PixelDescription.of(ds, EXPLICIT) == replace(described, number_of_frames=30 if text == "30" else 1)


@pytest.mark.parametrize(
    "changes",
    [
        {"Rows": None},
        {"Columns": 0},
        {"Rows": [40, 40]},
        {"BitsAllocated": 12},
        {"BitsAllocated": 0},
        {"BitsAllocated": 128},
        {"BitsAllocated": None},
        {"BitsStored": 17},
        {"PixelRepresentation": 2},
        {"SamplesPerPixel": 0},
        {"SamplesPerPixel": 3, "PlanarConfiguration": 2},
    ],
)
def test_what_cannot_be_describes_nothing(changes: dict[str, object]) -> None:
    with pytest.raises(NoPixels):
        PixelDescription.of(header(**changes), EXPLICIT)


@pytest.mark.parametrize(("bits", "element"), [(32, PixelElement.FLOAT), (64, PixelElement.DOUBLE)])
def test_floating_point_pixels_are_told_by_what_they_have_not(bits: int, element: PixelElement) -> None:
    floating = header(BitsAllocated=bits, BitsStored=None, HighBit=None, PixelRepresentation=None)
    assert PixelDescription.of(floating, EXPLICIT).element is element
    assert PixelDescription.of(floating, EXPLICIT, PixelElement.INTEGER).element is PixelElement.INTEGER
    setattr(floating, element.value, bytes(bits // 8))
    assert PixelDescription.of(floating, EXPLICIT).element is element


def test_floating_point_pixels_have_as_many_bits_as_they_have() -> None:
    with pytest.raises(NoPixels):
        PixelDescription.of(header(), EXPLICIT, PixelElement.FLOAT)


@pytest.mark.parametrize(
    ("described", "size"),
    [
        (GRAY, 40 * 48 * 2),
        (RGB, 40 * 48 * 3),
        (replace(RGB, photometric_interpretation="YBR_FULL_422"), 40 * 48 * 2),
        (replace(GRAY, rows=3, columns=3, bits_allocated=1, bits_stored=1, high_bit=0), 2),
        (replace(GRAY, rows=16, columns=16, bits_allocated=1, bits_stored=1, high_bit=0), 32),
    ],
)
def test_a_native_frame_has_a_size(described: PixelDescription, size: int) -> None:
    assert described.frame_bytes == size
