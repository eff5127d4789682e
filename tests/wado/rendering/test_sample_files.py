"""Whatever comes with pydicom, against an independent path by the standard's formulas."""

from pathlib import Path
from typing import Final

import numpy as np
import pytest

from isthmus.common.pixels.errors import CorruptFrame
from tests.data_sets import pydicom_files
from tests.wado.rendering.images import held
from tests.wado.rendering.reference import reference_picture

_DAMAGED: Final = {"MR_truncated.dcm", "JPEG2000-embedded-sequence-delimiter.dcm"}
_NOT_SQUARE: Final = {"6293", "6924"}


def _has_pixels(file: Path) -> bool:
    return b"\xe0\x7f\x10\x00" in (data := file.read_bytes()) or b"\x7f\xe0\x00\x10" in data


PIXELS: Final = [file for file in pydicom_files() if _has_pixels(file)]


@pytest.mark.parametrize(
    "file",
    [
        pytest.param(file, id=f"{file.parent.name}-{file.name}")
        for file in PIXELS
        if file.name not in _DAMAGED | _NOT_SQUARE
    ],
)
def test_a_picture_is_within_one_level_of_the_formulas(file: Path) -> None:
    picture, reference = held(file).picture(), reference_picture(file)
    assert picture.shape == reference.shape
    assert np.abs(picture.astype(np.int16) - reference).max() <= 1


@pytest.mark.parametrize("name", sorted(_DAMAGED))
def test_a_damaged_file_gives_no_picture(name: str) -> None:
    with pytest.raises(CorruptFrame):
        held(next(file for file in PIXELS if file.name == name)).picture()


@pytest.mark.parametrize("name", sorted(_NOT_SQUARE))
def test_a_file_whose_pixels_are_not_square_is_made_wider(name: str) -> None:
    picture = held(next(file for file in PIXELS if file.name == name)).picture()
    assert picture.shape == (16, round(16 * 0.596847 / 0.545455))
