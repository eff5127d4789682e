"""The VOI LUT: windows, tables, and what is shown where an object names neither (PS3.3 C.11.2)."""

from dataclasses import replace

import numpy as np
import pytest

from isthmus.wado.pictures.rendering import Window, WindowFunction
from tests.wado.rendering.images import LOSSLESS, item, made, table
from tests.wado.rendering.reference import linear, linear_exact, sigmoid

RAMP = np.arange(-512, 512, dtype=np.int16).reshape(32, 32)
FORMULAS = {
    WindowFunction.LINEAR: linear,
    WindowFunction.LINEAR_EXACT: linear_exact,
    WindowFunction.SIGMOID: sigmoid,
}


def _differs(picture: np.ndarray, reference: np.ndarray) -> float:
    return float(np.abs(picture.astype(np.float64) - reference).max())


@pytest.mark.parametrize("function", WindowFunction)
@pytest.mark.parametrize(("center", "width"), [(40, 400), (0.5, 1), (-100.25, 2), (0, 4096), (7, 33.3)])
def test_a_window_that_is_asked_for_follows_its_formula(
    function: WindowFunction, center: float, width: float
) -> None:
    request = replace(LOSSLESS, window=Window(center, width, function))
    reference = np.vectorize(FORMULAS[function])(RAMP, center, width)
    assert _differs(made(RAMP).picture(request), reference) <= 0.5


@pytest.mark.parametrize("function", WindowFunction)
def test_a_window_of_the_object_follows_its_formula(function: WindowFunction) -> None:
    image = made(RAMP, WindowCenter="100", WindowWidth="300", VOILUTFunction=function.value)
    reference = np.vectorize(FORMULAS[function])(RAMP, 100, 300)
    assert _differs(image.picture(), reference) <= 0.5


def test_a_window_is_over_the_values_that_the_modality_lut_gives() -> None:
    image = made(RAMP, RescaleSlope="2", RescaleIntercept="-1000", WindowCenter="-900", WindowWidth="200")
    assert _differs(image.picture(), np.vectorize(linear)(RAMP * 2.0 - 1000, -900, 200)) <= 0.5


def test_what_is_asked_for_goes_before_what_the_object_names() -> None:
    image = made(RAMP, WindowCenter="100", WindowWidth="300")
    request = replace(LOSSLESS, window=Window(0, 1024))
    assert np.array_equal(image.picture(request), made(RAMP).picture(request))


def test_the_first_window_with_a_width_is_taken() -> None:
    image = made(RAMP, WindowCenter=["10", "100"], WindowWidth=["0", "300"])
    assert _differs(image.picture(), np.vectorize(linear)(RAMP, 100, 300)) <= 0.5


def test_a_linear_window_narrower_than_1_is_taken_as_exact() -> None:
    pixels = np.linspace(0, 1, 64, dtype=np.float32).reshape(8, 8)
    image = made(pixels, WindowCenter="0.5", WindowWidth="0.5")
    assert _differs(image.picture(), np.vectorize(linear_exact)(pixels, 0.5, 0.5)) <= 0.51


def test_a_table_goes_before_a_window() -> None:
    pixels = np.array([[0, 10, 11, 12, 13, 200]], np.uint16)
    of_table = table(10, 12, 0, 4095, 1000, 2000)
    image = made(pixels, VOILUTSequence=[of_table], WindowCenter="5", WindowWidth="10")
    assert image.picture().tolist() == [[0, 0, 255, 62, 125, 125]]


@pytest.mark.parametrize(("first", "vr"), [(-2, "SS"), (0xFFFE, "US")])
def test_the_first_value_of_a_table_may_be_negative(first: int, vr: str) -> None:
    of_table = table(first, 16, 0, 30000, 65535, vr=vr)
    image = made(np.array([[-5, -2, -1, 0, 9]], np.int16), VOILUTSequence=[of_table])
    assert image.picture().tolist() == [[0, 0, 117, 255, 255]]


def test_a_table_of_65536_entries_has_0_of_them_in_its_descriptor() -> None:
    image = made(
        np.array([[0, 65535, 32768]], np.uint16), VOILUTSequence=[table(0, 16, *range(65535, -1, -1))]
    )
    assert image.picture().tolist() == [[255, 0, 127]]


def test_a_table_in_words_is_one_too() -> None:
    words = item()
    words.add_new("LUTDescriptor", "US", [2, 0, 16])
    words.add_new("LUTData", "US", [0, 65535])
    assert made(np.array([[0, 1]], np.uint16), VOILUTSequence=[words]).picture().tolist() == [[0, 255]]


def test_without_any_the_lowest_is_black_and_the_highest_white() -> None:
    image = made(np.array([[1000, 1100, 1200]], np.uint16), bits_stored=12)
    assert image.picture().tolist() == [[0, 128, 255]]


def test_without_any_values_of_8_bits_are_shown_as_they_are() -> None:
    image = made(np.array([[10, 20, 30]], np.uint8))
    assert image.picture().tolist() == [[10, 20, 30]]


def test_one_value_everywhere_is_no_fault() -> None:
    assert made(np.full((2, 2), 700, np.int16)).picture().tolist() == [[0, 0], [0, 0]]


def test_a_frame_of_an_enhanced_object_has_its_own_window_and_rescaling() -> None:
    def groups(center: str, slope: str) -> object:
        return item(
            FrameVOILUTSequence=[item(WindowCenter=center, WindowWidth="100")],
            PixelValueTransformationSequence=[item(RescaleSlope=slope, RescaleIntercept="0")],
        )

    image = made(
        [RAMP, RAMP],
        PerFrameFunctionalGroupsSequence=[groups("0", "1"), groups("200", "3")],
        WindowCenter="9",
        WindowWidth="9",
    )
    assert _differs(image.frame(1), np.vectorize(linear)(RAMP, 0, 100)) <= 0.5
    assert _differs(image.frame(2), np.vectorize(linear)(RAMP * 3, 200, 100)) <= 0.5


def test_frames_share_a_window() -> None:
    shared = item(FrameVOILUTSequence=[item(WindowCenter="100", WindowWidth="300", VOILUTFunction="SIGMOID")])
    image = made([RAMP, RAMP], SharedFunctionalGroupsSequence=[shared])
    assert _differs(image.frame(2), np.vectorize(sigmoid)(RAMP, 100, 300)) <= 0.5
