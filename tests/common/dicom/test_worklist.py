"""When a step is scheduled to start: the examples and the edges of PS3.4 Table K.6-1."""

import pytest

from isthmus.common.dicom.json_model import DicomJson
from isthmus.common.dicom.matching import MatchingKey
from isthmus.common.dicom.worklist import START_DATE, START_TIME, STEPS, WorklistMatcher

ALICE = MatchingKey(("00100020",), ("ALICE",))


def step(date: str | None, time: str | None, patient: str = "ALICE") -> DicomJson:
    """A match; None: it does not give back the attribute."""
    item = {}
    if date is not None:
        item[START_DATE[-1]] = {"vr": "DA", "Value": [date]} if date else {"vr": "DA"}
    if time is not None:
        item[START_TIME[-1]] = {"vr": "TM", "Value": [time]} if time else {"vr": "TM"}
    return {"00100020": {"vr": "LO", "Value": [patient]}, STEPS: {"vr": "SQ", "Value": [item]}}


def matches(date: str, time: str, match: DicomJson) -> bool:
    keys = (ALICE, MatchingKey(START_DATE, (date,)), MatchingKey(START_TIME, (time,)))
    return WorklistMatcher(keys).matches(match)


@pytest.mark.parametrize(
    ("date", "time", "does"),
    [
        ("20260705", "0959", False),
        ("20260705", "1000", True),
        ("20260705", "2330", True),
        ("20260706", "0300", True),
        ("20260706", "", True),
        ("20260706", None, True),
        ("20260707", "1800", True),
        ("20260707", "1801", False),
        ("20260707", "", True),
        ("20260708", "", False),
        ("20260708", "1200", False),
        ("20260704", "1200", False),
        ("", "1200", False),
        ("soon", "1200", False),
        (None, None, True),
    ],
)
def test_two_ranges_are_one_period(date: str | None, time: str | None, *, does: bool) -> None:
    assert matches("20260705-20260707", "1000-1800", step(date, time)) is does


@pytest.mark.parametrize(
    ("dates", "times", "date", "time", "does"),
    [
        ("20260705-20260706", "2200-0600", "20260706", "0300", True),
        ("20260705-20260706", "2200-0600", "20260706", "1200", False),
        ("20260705-", "1000-", "20260705", "0900", False),
        ("20260705-", "1000-", "20270101", "0900", True),
        ("-20260705", "-1000", "20260705", "1001", False),
        ("-20260705", "-1000", "20200101", "2300", True),
        ("20260705-20260706", "1000-", "20260706", "2359", True),
        ("20260705-20260706", "-1000", "20260705", "0001", True),
        ("20260705", "1000-1800", "20260705", "0900", False),
        ("20260705-20260707", "1000", "20260706", "1000", True),
        ("20260705-20260707", "1000", "20260706", "1100", False),
        ("20260705-20260707", "noon-", "20260706", "1300", False),
    ],
)
def test_open_ends_nights_and_single_values(
    dates: str, times: str, date: str, time: str, *, does: bool
) -> None:
    assert matches(dates, times, step(date, time)) is does


def test_other_keys_hold_as_ever_and_a_step_that_is_not_given_back_may_match() -> None:
    assert not matches("20260705-", "1000-", step("20260706", "1200", "BOB"))
    assert matches("20260705-", "1000-", {"00100020": {"vr": "LO", "Value": ["ALICE"]}})
    assert not matches("20260705-", "1000-", {STEPS: {"vr": "SQ"}})
