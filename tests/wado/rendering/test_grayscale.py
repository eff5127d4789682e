"""The other grayscale stages, and pixels of all kinds (PS3.3 C.7.5.1.1.2, C.11.1, C.11.4)."""

from typing import Any

import numpy as np
import pytest
from pydicom.uid import XRayAngiographicImageStorage

from isthmus.common.pixels.description import PixelDescription
from tests.wado.rendering.images import Held, made, table

STEPS = np.array([[0, 64, 128, 255]], np.uint8)
INVERSE_TABLE = table(0, 10, *(1023 - 4 * step for step in range(256)))


def test_a_modality_lut_goes_before_rescaling() -> None:
    image = made(
        np.array([[0, 1, 2, 3, 4, 9]], np.uint16),
        ModalityLUTSequence=[table(1, 16, 100, 300, 200, 400)],
        RescaleSlope="5",
        WindowCenter="250.5",
        WindowWidth="301",
    )
    assert image.picture().tolist() == [[0, 0, 170, 85, 255, 255]]


def test_the_modality_lut_of_an_angiographic_image_is_not_for_display() -> None:
    image = made(
        np.array([[0, 100, 200]], np.uint8),
        SOPClassUID=XRayAngiographicImageStorage,
        ModalityLUTSequence=[table(0, 16, 50000, 7, 0)],
    )
    assert image.picture().tolist() == [[0, 100, 200]]


def test_without_a_window_the_range_is_that_of_a_modality_lut_which_rises_and_falls() -> None:
    image = made(np.array([[0, 1, 2]], np.uint16), ModalityLUTSequence=[table(0, 16, 100, 300, 200)])
    assert image.picture().tolist() == [[0, 255, 128]]


@pytest.mark.parametrize(
    "attributes",
    [
        {"PhotometricInterpretation": "MONOCHROME1"},
        {"PresentationLUTShape": "INVERSE"},
        {"PhotometricInterpretation": "MONOCHROME1", "PresentationLUTShape": "INVERSE"},
        {"PresentationLUTSequence": [INVERSE_TABLE]},
    ],
)
def test_an_image_is_inverted_once(attributes: dict[str, Any]) -> None:
    picture = made(STEPS, **attributes).picture().astype(int)
    assert np.abs(picture - (255 - STEPS.astype(int))).max() <= 1


def test_padding_is_black_and_counts_for_no_contrast() -> None:
    image = made(np.array([[-2000, 100, 200]], np.int16), elements=[(0x00280120, "SS", -2000)])
    assert image.picture().tolist() == [[0, 0, 255]]


def test_padding_of_an_inverted_image_is_black_too() -> None:
    image = made(
        np.array([[4095, 4000, 100]], np.uint16),
        bits_stored=12,
        PhotometricInterpretation="MONOCHROME1",
        elements=[(0x00280120, "US", 4095), (0x00280121, "US", 4050)],
    )
    assert image.picture().tolist() == [[0, 0, 255]]


def test_padding_that_was_written_without_its_sign_is_padding() -> None:
    image = made(np.array([[-2000, 100, 200]], np.int16), elements=[(0x00280120, "US", 63536)])
    assert image.picture().tolist() == [[0, 0, 255]]


def test_an_image_that_is_all_padding_is_black() -> None:
    image = made(np.full((2, 2), 7, np.uint16), elements=[(0x00280120, "US", 7)])
    assert not image.picture().any()


@pytest.mark.parametrize("bits", [10, 12])
def test_bits_above_those_that_are_stored_are_none_of_the_pixel(bits: int) -> None:
    clean = np.array([[0, 1 << bits - 1, (1 << bits) - 1]], np.uint16)
    assert np.array_equal(
        made(clean | 0xF000, bits_stored=bits).picture(), made(clean, bits_stored=bits).picture()
    )


def test_signed_pixels_keep_their_sign_in_fewer_bits_than_are_allocated() -> None:
    pixels = np.array([[0x800, 0, 0x7FF]], np.int16)  # -2048, 0, 2047 of 12 bits
    assert made(pixels, bits_stored=12).picture().tolist() == [[0, 128, 255]]


@pytest.mark.parametrize("dtype", ["u4", "i4", "f4", "f8"])
def test_wide_pixels_are_shown_from_the_lowest_to_the_highest(dtype: str) -> None:
    pixels = np.array([[1e6, 1.5e6, 2e6]]).astype(dtype)
    assert made(pixels).picture().tolist() == [[0, 128, 255]]


def test_what_is_no_number_is_black() -> None:
    pixels = np.array([[np.nan, 1, 2, np.inf]], np.float32)
    assert made(pixels).picture().tolist() == [[0, 0, 255, 255]]


def test_padding_of_floats_is_black() -> None:
    image = made(np.array([[-1e9, 1, 2]], np.float32), FloatPixelPaddingValue=-1e9)
    assert image.picture().tolist() == [[0, 0, 255]]


def test_a_single_bit_is_black_or_white() -> None:
    image = made(np.zeros((2, 4), np.uint8))
    described = dict(zip(image.description.__slots__, _values(image.description), strict=True))
    single = PixelDescription(**described | {"bits_allocated": 1, "bits_stored": 1, "high_bit": 0})
    assert Held(image.head, single, [b"\x5a"]).picture().tolist() == [[0, 255, 0, 255], [255, 0, 255, 0]]


def _values(description: PixelDescription) -> list[Any]:
    return [getattr(description, name) for name in description.__slots__]


def test_header_values_that_cannot_be_read_are_left_out() -> None:
    image = made(STEPS, elements=[(0x00281050, "DS", "40"), (0x00281051, "DS", "400")])
    damaged = Held(image.head.replace(b"\x04\x00400 ", b"\x04\x00width"[:6]), *image[1:])
    assert damaged.head != image.head
    assert damaged.picture().tolist() == STEPS.tolist()
