"""Dates, times, numbers and names: matched as what they mean, not as they are written."""

import pytest

from isthmus.common.dicom.json_model import JsonValue
from isthmus.common.dicom.matching import Matcher
from tests.common.dicom.matching_keys import attribute, is_match, key


@pytest.mark.parametrize(
    ("name", "wanted", "stored"),
    [
        ("StudyDate", "20240131", "20240201"),
        ("StudyDate", "20240101-20240131", "20240201"),
        ("StudyDate", "20240101-20240131", "20231231"),
        ("StudyDate", "20240201-", "20240131"),
        ("StudyDate", "-20240131", "20240201"),
        ("StudyDate", "20240101-", "20243822"),  # no date
        ("StudyTime", "0800-1730", "173100"),
        ("StudyTime", "0800-1730", "noon"),
        ("AcquisitionDateTime", "202401311200+0000", "202401311200+0100"),
        ("AcquisitionDateTime", "20240131-20240201", "2024020200"),
    ],
)
def test_dates_and_times_outside_of_a_range_do_not_match(name: str, wanted: str, stored: str) -> None:
    assert not is_match(name, wanted, stored)


@pytest.mark.parametrize(
    ("name", "wanted", "stored"),
    [
        ("StudyDate", "20240131", "2024.01.31"),
        ("StudyDate", "20240101-20240131", "20240101"),
        ("StudyDate", "20240101-20240131", "20240131"),
        ("StudyDate", "20240101 - 20240131", "20240115"),
        ("StudyDate", "20240131-", "20240131"),
        ("StudyDate", "-20240131", "00010101"),
        ("StudyTime", "0800-1730", "173059.999"),
        ("StudyTime", "1015", "10:15:30"),
        ("StudyTime", "1015-1030", "10"),  # stored with less precision than asked for
        ("AcquisitionDateTime", "2024", "20240131120000.5"),
        ("AcquisitionDateTime", "202401311200+0000", "202401311300+0100"),
        ("AcquisitionDateTime", "202401311130-0500-202401311200-0500", "202401311645+0000"),
        ("AcquisitionDateTime", "202401311200", "202401311200+0100"),
    ],
)
def test_dates_and_times_in_a_range_match(name: str, wanted: str, stored: str) -> None:
    assert is_match(name, wanted, stored)


@pytest.mark.parametrize(
    ("name", "wanted", "stored"),
    [
        ("StudyDate", "2024", "20240131"),
        ("StudyDate", "yesterday-", "20240131"),
        ("StudyTime", "-midnight", "12"),
        ("AcquisitionDateTime", "2024-13", "20240131"),
        ("PatientAge", "old-", "034Y"),
        ("SeriesNumber", "1A", "1A"),
        ("SeriesNumber", "1A", "1"),
    ],
)
def test_a_key_that_is_none_of_its_vr_finds_nothing_rather_than_everything(
    name: str, wanted: str, stored: str
) -> None:
    assert not is_match(name, wanted, stored)


@pytest.mark.parametrize(
    ("name", "wanted", "stored"),
    [
        ("SeriesNumber", "7", "007"),
        ("SeriesNumber", "+7", 7),
        ("SeriesNumber", "7", "7 "),
        ("SliceThickness", "1.50", "1.5"),
        ("SliceThickness", "15e-1", 1.5),
        ("SliceThickness", "2", 2.0),
        ("Rows", "0512", 512),
        ("PhysicalDeltaX", "0.1", 0.1),
        ("RotationAngle", "0.1", "0.1"),
        ("FrameIncrementPointer", "0018106e", "0018106E"),
    ],
)
def test_numbers_match_by_value(name: str, wanted: str, stored: JsonValue) -> None:
    assert is_match(name, wanted, stored)


@pytest.mark.parametrize(("wanted", "stored"), [("7", "1A"), ("7", "77"), ("7", "7\\8"), ("1000", "1_000")])
def test_a_stored_number_that_is_none_does_not_match(wanted: str, stored: str) -> None:
    assert not is_match("SeriesNumber", wanted, stored)


def test_a_name_matches_without_case_and_in_any_component_group() -> None:
    yamada: JsonValue = {"Alphabetic": "Yamada^Tarou", "Ideographic": "山田^太郎"}

    assert is_match("PatientName", "YAMADA*", yamada)
    assert is_match("PatientName", "山田*", yamada)
    assert is_match("PatientName", "Yamada^Tarou=山田^太郎", yamada)
    assert not is_match("PatientName", "Yamada^Tarou=山本*", yamada)


def test_a_name_may_be_a_text_where_an_origin_writes_it_so() -> None:
    assert is_match("PatientName", "doe*", "Doe^John")


def test_fuzzy_matching_is_for_names_alone() -> None:
    john = attribute("PatientName", {"Alphabetic": "Doe^John"}) | attribute("PatientID", "Doe^John")

    assert Matcher([key("PatientName", "john")], fuzzy=True).matches(john)
    assert not Matcher([key("PatientName", "john")]).matches(john)
    assert not Matcher([key("PatientID", "john")], fuzzy=True).matches(john)
