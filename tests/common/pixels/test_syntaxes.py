"""What can be had in which transfer syntax."""

from dataclasses import replace

import pytest

from isthmus.common.dicom.encapsulated import is_encapsulated
from isthmus.common.pixels.description import PixelDescription
from isthmus.common.pixels.encode import fits
from isthmus.common.pixels.syntaxes import DECODABLE, ENCODABLE, LOSSY, NATIVE, producible
from tests.data_sets.pictures import GRAY, RGB, of_bits

EXPLICIT, RLE = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.5"
JPEG_LS, JPEG_2000 = "1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.90"
VIDEO, JPEG_XL = "1.2.840.10008.1.2.4.102", "1.2.840.10008.1.2.4.110"


@pytest.mark.parametrize("held", sorted(DECODABLE))
def test_whatever_can_be_decoded_can_be_had_native_and_as_it_is_held(held: str) -> None:
    given = producible(held)
    assert given[0] == EXPLICIT
    assert held in given or held in NATIVE
    assert not LOSSY & set(given) - {held}


@pytest.mark.parametrize("held", [VIDEO, JPEG_XL, "1.2.3.4"])
def test_the_rest_can_be_had_as_it_is_held_only(held: str) -> None:
    assert producible(held) == (held,)


def test_nothing_is_given_in_implicit_vr_or_big_endian() -> None:
    for held in ("1.2.840.10008.1.2", "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99"):
        assert producible(held) == ENCODABLE


def test_native_is_what_is_not_encapsulated() -> None:
    assert not [syntax for syntax in DECODABLE if is_encapsulated(syntax) == (syntax in NATIVE)]


@pytest.mark.parametrize(
    ("form", "fitting"),
    [
        (GRAY, {EXPLICIT, RLE, JPEG_LS, JPEG_2000}),
        (RGB, {EXPLICIT, RLE, JPEG_LS, JPEG_2000}),
        (of_bits(GRAY, 16, signed=True), {EXPLICIT, RLE, JPEG_LS, JPEG_2000}),
        (replace(GRAY, photometric_interpretation="PALETTE COLOR"), {EXPLICIT, RLE, JPEG_LS, JPEG_2000}),
        (replace(GRAY, rows=31), {EXPLICIT, RLE, JPEG_LS}),
        (replace(GRAY, rows=4, columns=4), {EXPLICIT, RLE}),
        (of_bits(GRAY, 1), {EXPLICIT, RLE, JPEG_2000}),
        (of_bits(GRAY, 32), {EXPLICIT}),
        (replace(of_bits(GRAY, 1), bits_allocated=1), {EXPLICIT}),
        (replace(RGB, samples_per_pixel=4, photometric_interpretation="CMYK"), {EXPLICIT}),
    ],
)
def test_pixels_fit_where_the_standard_and_the_encoders_have_room(
    form: PixelDescription, fitting: set[str]
) -> None:
    assert {syntax for syntax in ENCODABLE if fits(form, syntax)} == fitting
