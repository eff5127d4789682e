"""Colour images: true colours, palettes, pseudo-colours (PS3.3 C.7.6.3.1.2, C.7.6.3.1.5, C.7.9)."""

from dataclasses import replace
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.pixels.processing import apply_color_lut

from isthmus.common.pixels.errors import NoPixels, UnsupportedPixels
from isthmus.wado.pictures.rendering import Window
from tests.wado.rendering.images import LOSSLESS, made

CUBE = np.stack(np.meshgrid(*[np.arange(0, 256, 5)] * 3), axis=-1).reshape(-1, 52, 3).astype(np.uint8)


def _palette(first: int, bits: int, *channels: bytes, segmented: bool = False) -> dict[str, Any]:
    length = 256 if segmented else len(channels[0]) // (2 if bits == 16 else 1)
    elements: list[tuple[int, str, Any]] = []
    for place, data in enumerate(channels):
        elements.append((0x00281101 + place, "US", [length, first, bits]))
        elements.append(((0x00281221 if segmented else 0x00281201) + place, "OW", data))
    return {"PhotometricInterpretation": "PALETTE COLOR", "elements": elements}


def _words(*numbers: int) -> bytes:
    return np.array(numbers, "<u2").tobytes()


def test_ybr_full_follows_the_equations() -> None:
    y, cb, cr = (CUBE[..., place].astype(np.float64) for place in range(3))
    rgb = np.stack(
        [
            y + 1.402 * (cr - 128),
            y - 0.114 * 1.772 / 0.587 * (cb - 128) - 0.299 * 1.402 / 0.587 * (cr - 128),
            y + 1.772 * (cb - 128),
        ],
        axis=-1,
    )
    picture = made(CUBE, PhotometricInterpretation="YBR_FULL").picture()
    assert np.abs(picture - np.clip(rgb, 0, 255)).max() <= 0.51


def test_black_and_white_of_ybr_partial_are_16_and_235() -> None:
    pixels = np.array([[[16, 128, 128], [235, 128, 128]]], np.uint8)
    picture = made(pixels, PhotometricInterpretation="YBR_PARTIAL_420").picture()
    assert picture.tolist() == [[[0, 0, 0], [255, 255, 255]]]


def test_planes_are_interleaved() -> None:
    image = made(CUBE, PlanarConfiguration=1)
    planes = image._replace(frames=[np.ascontiguousarray(CUBE.transpose(2, 0, 1)).tobytes()])
    assert np.array_equal(planes.picture(), CUBE)


@pytest.mark.parametrize("bits", [10, 16])
def test_colours_of_more_bits_are_scaled_by_those_that_are_stored(bits: int) -> None:
    most = (1 << bits) - 1
    image = made(np.array([[[0, most // 2, most]]], np.uint16), bits_stored=bits)
    assert image.picture().tolist() == [[[0, 127, 255]]]


def test_a_window_does_nothing_to_colours() -> None:
    request = replace(LOSSLESS, window=Window(10, 2))
    assert np.array_equal(made(CUBE).picture(request), CUBE)


def test_pixels_of_a_number_of_samples_that_nobody_knows_are_refused() -> None:
    with pytest.raises(UnsupportedPixels):
        made(np.zeros((2, 2, 4), np.uint8), PhotometricInterpretation="CMYK").picture()


def test_a_palette_of_16_bits() -> None:
    palette = _palette(1, 16, _words(0, 65535), _words(32768, 0), _words(0, 257))
    image = made(np.array([[0, 1, 2, 200]], np.uint8), **palette)
    assert image.picture().tolist() == [[[0, 128, 0], [0, 128, 0], [255, 0, 1], [255, 0, 1]]]


def test_a_palette_of_8_bits_in_16() -> None:
    palette = _palette(0, 16, _words(0, 255), _words(10, 20), _words(5, 6))
    assert made(np.array([[0, 1]], np.uint8), **palette).picture().tolist() == [[[0, 10, 5], [255, 20, 6]]]


def test_a_palette_of_8_bits() -> None:
    palette = _palette(0, 8, bytes([0, 255]), bytes([10, 20]), bytes([5, 6]))
    assert made(np.array([[0, 1]], np.uint16), **palette).picture().tolist() == [[[0, 10, 5], [255, 20, 6]]]


def test_a_palette_of_signed_pixels() -> None:
    palette = _palette(0xFFFF, 16, _words(0, 65535), _words(0, 65535), _words(0, 65535))
    assert made(np.array([[-1, 0]], np.int16), **palette).picture()[:, :, 0].tolist() == [[0, 255]]


def test_a_segmented_palette_is_what_pydicom_makes_of_it() -> None:
    discrete, linear, indirect = (0, 4, 0, 1000, 3000, 20000), (1, 250, 65535), (2, 1, 0, 0)
    red = _words(*discrete, *linear, 0, 2, 7, 8)
    green = _words(*discrete, *linear, 0, 2, 70, 80)
    blue = _words(*discrete, 1, 248, 9000, *indirect)
    image = made(
        np.arange(256, dtype=np.uint8).reshape(16, 16), **_palette(0, 16, red, green, blue, segmented=True)
    )
    ds = dcmread(BytesIO(image.head))
    reference = apply_color_lut(np.arange(256, dtype=np.uint8).reshape(16, 16), ds) / 257
    assert np.abs(image.picture() - reference).max() <= 1


def test_an_image_whose_palette_lacks_is_refused() -> None:
    with pytest.raises(NoPixels):
        made(np.zeros((2, 2), np.uint8), PhotometricInterpretation="PALETTE COLOR").picture()


def test_what_lies_in_a_supplemental_palette_is_coloured() -> None:
    palette = _palette(1000, 16, _words(65535, 0), _words(0, 65535), _words(0, 0))
    image = made(
        np.array([[0, 500, 1000, 1001]], np.uint16),
        **palette | {"PhotometricInterpretation": "MONOCHROME2"},
        PixelPresentation="COLOR",
        WindowCenter="500",
        WindowWidth="1000",
    )
    assert image.picture().tolist() == [[[0, 0, 0], [128, 128, 128], [255, 0, 0], [0, 255, 0]]]


@pytest.mark.parametrize("photometric", ["MONOCHROME2", "RGB"])
def test_an_image_that_calls_itself_coloured_and_has_no_palette_is_shown(photometric: str) -> None:
    pixels = CUBE if photometric == "RGB" else CUBE[..., 0]
    assert np.array_equal(made(pixels, PixelPresentation="COLOR").picture(), pixels)
