"""Square pixels, regions, flips and viewports (PS3.18 8.3.5.1.3)."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from isthmus.wado.pictures.rendering import OutsideImage, Region, Viewport
from tests.wado.rendering.images import LOSSLESS, Pixels, item, made

NUMBERED = np.arange(24, dtype=np.uint8).reshape(4, 6)
"""4 rows, 6 columns."""


def _size(viewport: Viewport | None = None, attributes: dict[str, Any] | None = None) -> tuple[int, int]:
    return made(NUMBERED, **attributes or {}).opened(replace(LOSSLESS, viewport=viewport)).size


def test_without_a_viewport_each_pixel_is_one() -> None:
    assert np.array_equal(made(NUMBERED).picture(), NUMBERED)


@pytest.mark.parametrize(
    ("viewport", "size"),
    [
        (Viewport(12, 12), (12, 8)),
        (Viewport(100, 8), (12, 8)),
        (Viewport(3, 100), (3, 2)),
        (Viewport(1, 1), (1, 1)),
        (Viewport(7, 5), (7, 5)),
    ],
)
def test_a_picture_is_as_large_as_the_viewport_lets_it(viewport: Viewport, size: tuple[int, int]) -> None:
    assert _size(viewport) == size


def test_a_region_is_cut_out() -> None:
    request = replace(LOSSLESS, region=Region(1, 2, 3, 2))
    assert np.array_equal(made(NUMBERED).picture(request), NUMBERED[2:4, 1:4])


def test_a_region_reaches_to_the_edges_by_default() -> None:
    request = replace(LOSSLESS, region=Region(x=4, y=1))
    assert np.array_equal(made(NUMBERED).picture(request), NUMBERED[1:, 4:])


def test_what_of_a_region_lies_outside_is_left_out() -> None:
    request = replace(LOSSLESS, region=Region(4, 1, 100, 100))
    assert np.array_equal(made(NUMBERED).picture(request), NUMBERED[1:, 4:])


@pytest.mark.parametrize(
    "region", [Region(6, 0, 1, 1), Region(0, 4), Region(0, 0, 0, 2), Region(5.3, 0, 1e-9, 1)]
)
def test_a_region_that_holds_nothing_is_refused(region: Region) -> None:
    with pytest.raises(OutsideImage):
        made(NUMBERED).picture(replace(LOSSLESS, region=region))


@pytest.mark.parametrize(
    ("region", "picture"),
    [
        (Region(0, 0, -6, 4), NUMBERED[:, ::-1]),
        (Region(0, 0, 6, -4), NUMBERED[::-1]),
        (Region(1, 1, -2, -2), NUMBERED[2:0:-1, 2:0:-1]),
    ],
)
def test_a_negative_size_flips(region: Region, picture: Pixels) -> None:
    assert np.array_equal(made(NUMBERED).picture(replace(LOSSLESS, region=region)), picture)


def test_a_region_is_scaled_to_the_viewport() -> None:
    checks = np.kron([[10, 200], [90, 30]], np.ones((8, 8))).astype(np.uint8)
    request = replace(LOSSLESS, region=Region(8, 0, 8, 8), viewport=Viewport(4, 4))
    assert np.array_equal(made(checks).picture(request), np.full((4, 4), 200))


def test_a_smaller_picture_is_the_mean_of_what_it_shows() -> None:
    stripes = np.tile(np.array([0, 200], np.uint8), (64, 32))
    picture = made(stripes).picture(replace(LOSSLESS, viewport=Viewport(16, 16)))
    assert np.abs(picture.astype(int) - 100).max() <= 12


@pytest.mark.parametrize(
    ("attributes", "size"),
    [
        ({"PixelAspectRatio": [2, 1]}, (6, 8)),
        ({"PixelAspectRatio": [1, 2]}, (12, 4)),
        ({"PixelSpacing": ["0.5", "0.25"]}, (6, 8)),
        ({"ImagerPixelSpacing": ["0.25", "0.5"]}, (12, 4)),
        ({"NominalScannedPixelSpacing": ["1", "0.5"]}, (6, 8)),
        ({"PixelSpacing": ["1", "1"], "PixelAspectRatio": [2, 1]}, (6, 4)),
        ({"PixelSpacing": ["0.3906250", "0.390625"]}, (6, 4)),
        ({"PixelSpacing": ["0", "0"]}, (6, 4)),
        ({"PixelAspectRatio": [1000, 1]}, (6, 4)),
        (
            {"SharedFunctionalGroupsSequence": [item(PixelMeasuresSequence=[item(PixelSpacing=["2", "1"])])]},
            (6, 8),
        ),
    ],
)
def test_pixels_become_square_and_none_is_lost(attributes: dict[str, Any], size: tuple[int, int]) -> None:
    assert _size(None, attributes) == size


def test_pixels_are_square_in_a_viewport() -> None:
    assert _size(Viewport(100, 80), {"PixelAspectRatio": [2, 1]}) == (60, 80)


def test_high_pixels_are_repeated_downwards() -> None:
    rows = made(np.array([[0], [255]], np.uint8), PixelAspectRatio=[4, 1]).picture()[:, 0].astype(int)
    assert len(rows) == 8
    assert (rows[0], rows[-1]) == (0, 255)
    assert (np.diff(rows) >= 0).all()


def test_a_huge_picture_is_not_made_huger() -> None:
    picture = made(np.zeros((8, 65535), np.uint8), PixelAspectRatio=[1, 90]).opened(LOSSLESS)
    assert picture.width == 65535
