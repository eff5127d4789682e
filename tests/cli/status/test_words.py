"""Numbers and times in words."""

import pytest

from isthmus.cli.status.words import age, counted, size


@pytest.mark.parametrize(
    ("seconds", "written"),
    [
        (-3, "0 s"),
        (0.4, "0 s"),
        (119, "119 s"),
        (120, "2 min"),
        (7199, "119 min"),
        (7200, "2 h"),
        (172_799, "47 h"),
        (172_800, "2 d"),
        (1e8, "1157 d"),
    ],
)
def test_an_age_is_in_the_largest_unit_of_which_there_are_two(seconds: float, written: str) -> None:
    assert age(seconds) == written


@pytest.mark.parametrize(
    ("count", "written"),
    [
        (None, "-"),
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (999_949, "1000 kB"),
        (12_345_678, "12.3 MB"),
        (123_456_789, "123 MB"),
        (5e13, "50.0 TB"),
        (5e16, "50000 TB"),
    ],
)
def test_a_size_fits_its_column(count: int | None, written: str) -> None:
    assert size(count) == written


def test_one_is_no_plural() -> None:
    assert [counted(number, "letter") for number in (0, 1, 2)] == ["0 letters", "1 letter", "2 letters"]
