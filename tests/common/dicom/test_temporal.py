import pytest

from isthmus.common.dicom.temporal import (
    Age,
    Span,
    age_between,
    parse_age,
    parse_date,
    parse_datetime,
    parse_time,
    split_range,
)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2024",
        "2024013",
        "202401311",
        "20240230",
        "20243822",
        "00000000",
        "2024-01-31",
        "2024.0131",
        "٢٠٢٤٠١٣١",
    ],
)
def test_what_is_no_date_is_none(text: str) -> None:
    assert parse_date(text) is None


@pytest.mark.parametrize("text", ["20240131", "2024.01.31", " 20240131 ", "20240131\0"])
def test_a_date_is_a_day(text: str) -> None:
    assert parse_date(text) == Span("20240131", "20240131")


@pytest.mark.parametrize(
    "text",
    ["", "1", "24", "1260", "120061", "12:", "120000.", "120000.1234567", "12.5", "1200+0100", "１２"],
)
def test_what_is_no_time_is_none(text: str) -> None:
    assert parse_time(text) is None


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("09", "090000000000", "095960999999"),
        ("0915", "091500000000", "091560999999"),
        ("09:15:30", "091530000000", "091530999999"),
        ("091530.5", "091530500000", "091530599999"),
        ("235960", "235960000000", "235960999999"),  # a leap second
    ],
)
def test_a_time_covers_what_it_leaves_open(text: str, first: str, last: str) -> None:
    assert parse_time(text) == Span(first, last)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "202",
        "0000",
        "202413",
        "20230229",
        "2024013124",
        "20240131120061",
        "20240131+2400",
        "20240131-1230",
        "20240131+1401",
        "20240131-0160",
        "20240131 0100",
    ],
)
def test_what_is_no_moment_is_none(text: str) -> None:
    assert parse_datetime(text) is None


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("2024", "20240101000000000000", "20241231235960999999"),
        ("202402", "20240201000000000000", "20240229235960999999"),
        ("20240131", "20240131000000000000", "20240131235960999999"),
        ("20240131120000.25", "20240131120000250000", "20240131120000259999"),
    ],
)
def test_a_moment_covers_what_it_leaves_open(text: str, first: str, last: str) -> None:
    assert parse_datetime(text) == Span(first, last)


def _begins_after(text: str, other: str) -> bool:
    one, two = parse_datetime(text), parse_datetime(other)
    assert one is not None
    assert two is not None
    return one.begins_after(two)


def test_moments_with_offsets_compare_in_universal_time() -> None:
    assert not _begins_after("202401311200+0200", "202401311030+0000")
    assert _begins_after("202401311030-0500", "202401311200+0000")


def test_a_moment_without_an_offset_is_in_the_zone_of_the_other() -> None:
    assert _begins_after("202401311201", "202401311200+1400")
    assert not _begins_after("202401311200-1200", "202401311200")


@pytest.mark.parametrize("text", ["00010101+1400", "99991231-1200", "20161231235960+0000"])
def test_offsets_at_the_ends_of_time_and_in_leap_seconds_do_no_harm(text: str) -> None:
    assert not _begins_after(text, text)


@pytest.mark.parametrize("text", ["", "Y", "34 Y", "0034Y", "034y", "-34Y", "3.5Y", "034YY", "٣٤"])
def test_what_is_no_age_is_none(text: str) -> None:
    assert parse_age(text) is None


def test_bare_digits_are_years() -> None:
    assert parse_age("020") == parse_age("020Y") == Age(20, "Y")


def test_an_age_lasts_until_the_next_of_its_unit() -> None:
    assert not Age(30, "Y").exceeds(Age(30, "Y"))
    assert not Age(371, "M").exceeds(Age(30, "Y"))
    assert Age(372, "M").exceeds(Age(30, "Y"))


def test_ages_of_different_units_compare() -> None:
    assert Age(24, "M").reaches(Age(2, "Y"))
    assert not Age(103, "W").reaches(Age(2, "Y"))
    assert Age(7, "D").reaches(Age(1, "W"))


@pytest.mark.parametrize(
    ("birth_date", "study_date"),
    [("", "20240131"), ("20000101", ""), ("2000", "20240131"), ("20240201", "20240131")],
)
def test_there_is_no_age_without_two_dates_in_order(birth_date: str, study_date: str) -> None:
    assert age_between(birth_date, study_date) is None


@pytest.mark.parametrize(
    ("birth_date", "study_date", "unit", "number"),
    [
        ("20000615", "20240614", "Y", 23),
        ("20000615", "20240615", "Y", 24),
        ("20010101", "20020101", "Y", 1),  # 365 days, less than an average year
        ("20000229", "20010228", "Y", 0),
        ("20240201", "20240301", "M", 1),  # 29 days
        ("20240131", "20240229", "M", 0),
        ("20230615", "20241214", "M", 17),
        ("20240101", "20240114", "W", 1),
        ("20240131", "20240131", "D", 0),
    ],
)
def test_an_age_from_dates_counts_what_is_complete(
    birth_date: str, study_date: str, unit: str, number: int
) -> None:
    age = age_between(birth_date, study_date)

    assert age is not None
    assert age.complete(unit) == number
    assert age.reaches(Age(number, unit))
    assert not age.reaches(Age(number + 1, unit))
    assert not age.exceeds(Age(number, unit))


@pytest.mark.parametrize(("text", "vr"), [("20240131", "DA"), ("12", "TM"), ("034Y", "AS"), ("2024", "DT")])
def test_a_value_without_hyphen_is_no_range(text: str, vr: str) -> None:
    assert split_range(text, vr) is None


@pytest.mark.parametrize(
    ("text", "vr", "ends"),
    [
        ("20240101-20240131", "DA", ("20240101", "20240131")),
        ("20240101 - 20240131", "DA", ("20240101", "20240131")),
        ("20240101-", "DA", ("20240101", "")),
        ("-20240131", "DA", ("", "20240131")),
        ("-", "DA", ("", "")),
        ("0800-1730", "TM", ("0800", "1730")),
        ("020-030", "AS", ("020", "030")),
    ],
)
def test_a_range_has_two_ends_of_which_one_may_be_open(text: str, vr: str, ends: tuple[str, str]) -> None:
    assert split_range(text, vr) == ends


@pytest.mark.parametrize("text", ["2024-0500", "20240131-0500", "20240131120000.5-1200"])
def test_a_hyphen_before_an_offset_makes_no_range(text: str) -> None:
    assert split_range(text, "DT") is None


@pytest.mark.parametrize(
    ("text", "ends"),
    [
        ("2019-2024", ("2019", "2024")),
        ("2019-0500-", ("2019-0500", "")),
        ("-2019-0500", ("", "2019-0500")),
        ("2019-0500-2024", ("2019-0500", "2024")),
        ("2019-2024-0500", ("2019", "2024-0500")),
        ("2019-0500-2024-0500", ("2019-0500", "2024-0500")),
        ("20190101+0100-20240101-0100", ("20190101+0100", "20240101-0100")),
    ],
)
def test_ends_of_a_range_may_have_offsets(text: str, ends: tuple[str, str]) -> None:
    assert split_range(text, "DT") == ends
