from decimal import Decimal

import pytest

from isthmus.common.dicom.numeric import parse_number, read_number


@pytest.mark.parametrize(
    ("text", "vr"),
    [
        ("", "IS"),
        ("1A", "IS"),
        ("1.0", "IS"),
        ("1_000", "IS"),
        ("٣", "IS"),
        ("2147483648", "IS"),
        ("0000000000001", "IS"),  # 13 characters
        ("65536", "US"),
        ("-1", "UL"),
        ("-32769", "SS"),
        ("18446744073709551616", "UV"),
        (".", "DS"),
        ("1,5", "DS"),
        ("1e", "DS"),
        ("nan", "DS"),
        ("1.00000000000000000", "DS"),  # 19 characters
        ("inf", "FD"),
        ("1e999", "FD"),
        ("1e39", "FL"),
        ("1e99999999", "FD"),
    ],
)
def test_what_the_vr_forbids_is_no_number(text: str, vr: str) -> None:
    assert parse_number(text, vr) is None


@pytest.mark.parametrize(
    ("text", "vr", "number"),
    [
        ("+007", "IS", "7"),
        (" 7 ", "IS", "7"),
        ("-2147483648", "IS", "-2147483648"),
        ("-1", "US", "-1"),  # PS3.6 has attributes of VR US or SS
        ("18446744073709551615", "UV", "18446744073709551615"),
        ("1.50", "DS", "1.5"),
        (".5", "DS", "0.5"),
        ("5.", "DS", "5"),
        ("15e-1", "DS", "1.5"),
    ],
)
def test_a_number_is_its_value_and_not_its_text(text: str, vr: str, number: str) -> None:
    assert parse_number(text, vr) == Decimal(number)


def test_large_integers_are_told_apart() -> None:
    assert parse_number("9007199254740993", "SV") != parse_number("9007199254740992", "SV")


@pytest.mark.parametrize("vr", ["FL", "FD"])
def test_a_decimal_finds_the_float_that_is_stored_for_it(vr: str) -> None:
    stored = {"FL": "0.10000000149011612", "FD": "0.1"}[vr]

    assert parse_number("0.1", vr) == read_number(stored, vr)


@pytest.mark.parametrize("text", ["", "1A", "NaN", "Infinity", "1_000", "٣"])
def test_what_is_stored_may_be_no_number(text: str) -> None:
    assert read_number(text, "DS") is None


@pytest.mark.parametrize("text", ["3", "3.0", " 3 ", "+3\0", "3.0000000000000000000"])
def test_what_is_stored_is_read_though_its_vr_forbids_it(text: str) -> None:
    assert read_number(text, "IS") == 3
