"""How attributes are written and matched (PS3.18 8.3.4.1, 8.3.4.1.1; PS3.4 C.2.2.2)."""

from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import Final

import httpx2
import pydicom
import pytest

from tests.system.conformance.answers import all_values, matches
from tests.system.conformance.archive import Archive, text
from tests.system.conformance.searching import search
from tests.system.problem import problem

UNIVERSAL: Final = ["", "*", "**"]


@pytest.mark.parametrize("name", ["PatientName", "00100010"])
def test_8_3_4_1_values_are_percent_encoded_utf_8(http: httpx2.Client, origin: Archive, name: str) -> None:
    """Whatever the character set of the object is: here ISO_IR 100."""
    expected = origin.where(PatientName="Äneas^Rüdiger").uids("studies")
    assert len(expected) == 1
    response = http.get(f"{origin.root}/studies?{name}=%C3%84neas%5ER%C3%BCdiger")
    assert all_values(matches(response), "StudyInstanceUID") == expected


def test_8_3_4_1_names_come_back_in_their_own_characters(
    http: httpx2.Client, archives: dict[str, Archive]
) -> None:
    """Orthanc answers in ISO_IR 100 whatever it is asked in; dcmqrscp answers as objects are written."""
    names = {"Buc^Jérôme", "Διονυσιος", "Люкceмбypг", "קباני"} & archives["/aets/dcmqrscp-both"].texts(
        "PatientName"
    )
    assert len(names) == 3
    for name in names:
        found = matches(http.get("/aets/dcmqrscp-both/studies", params={"PatientName": name}))
        assert all_values(found, "PatientName") == {name}


def test_8_3_4_1_an_attribute_is_given_once(http: httpx2.Client, origin: Archive) -> None:
    response = http.get(f"{origin.root}/studies?PatientID=1&00100020=2")
    assert problem(response, 400)["parameter"] == "00100020"


@pytest.mark.parametrize("separator", [",", "\\", "&StudyInstanceUID="])
def test_8_3_4_1_1_several_uids_come_as_a_list(http: httpx2.Client, origin: Archive, separator: str) -> None:
    """By comma; we also take a backslash, and the parameter twice."""
    some = sorted(origin.uids("studies"))[:3]
    response = http.get(f"{origin.root}/studies?StudyInstanceUID={separator.join(some)}")
    assert all_values(matches(response), "StudyInstanceUID") == {*some}


@pytest.mark.parametrize(
    ("range_", "where"),
    [
        ("20030101-20041231", lambda date: "20030101" <= date <= "20041231"),
        ("20100101-", lambda date: date >= "20100101"),
        ("-19991231", lambda date: date <= "19991231"),
    ],
)
def test_8_3_4_1_1_dates_may_be_ranges(
    http: httpx2.Client, origin: Archive, range_: str, where: Callable[[str], bool]
) -> None:
    """PS3.4 C.2.2.2.5."""

    def in_range(ds: pydicom.Dataset) -> bool:
        date = text(ds, "StudyDate").replace(".", "")
        return bool(date) and where(date)

    expected = origin.uids("studies", in_range)
    assert expected
    assert search(http, origin, "studies", {"StudyDate": range_}) == expected


def test_8_3_4_1_1_ranges_of_dates_and_times_are_independent(http: httpx2.Client, origin: Archive) -> None:
    """Combined date-time matching is not negotiated with origins (PS3.4 C.2.2.2.5.4)."""

    def at_night(ds: pydicom.Dataset) -> bool:
        return text(ds, "StudyDate")[:4] == "2003" and "0400" <= text(ds, "StudyTime")[:4] <= "0510"

    expected = origin.uids("studies", at_night)
    assert len(expected) >= 2
    key = {"StudyDate": "20030101-20031231", "StudyTime": "0400-0510"}
    assert search(http, origin, "studies", key) == expected


@pytest.mark.parametrize("pattern", ["9889*", "9889023?", "*0234", "98*4", "?8890234"])
def test_8_3_4_1_1_texts_may_have_wild_cards(http: httpx2.Client, origin: Archive, pattern: str) -> None:
    """PS3.4 C.2.2.2.4."""
    expected = origin.uids("studies", lambda ds: fnmatchcase(text(ds, "PatientID"), pattern))
    assert len(expected) == 4
    assert search(http, origin, "studies", {"PatientID": pattern}) == expected


@pytest.mark.parametrize("pattern", ["h31*", "scs*"])
def test_8_3_4_1_1_case_counts_except_in_names(http: httpx2.Client, origin: Archive, pattern: str) -> None:
    assert origin.uids("studies", lambda ds: fnmatchcase(text(ds, "PatientID"), pattern.upper()))
    assert search(http, origin, "studies", {"PatientID": pattern}) == set()


@pytest.mark.parametrize("universal", UNIVERSAL)
def test_8_3_4_1_1_no_value_matches_everything_and_is_returned(
    http: httpx2.Client, origin: Archive, universal: str
) -> None:
    """Universal matching (PS3.4 C.2.2.2.3), which finds what has no value too."""
    found = matches(http.get(f"{origin.root}/studies", params={"StudyDescription": universal}))
    assert all_values(found, "StudyInstanceUID") == origin.uids("studies")
    assert all_values(found, "StudyDescription") == origin.texts("StudyDescription") - {""}


def test_8_3_4_1_1_ages_are_matched_by_ranges_and_with_the_modality(
    http: httpx2.Client, anywhere: Archive
) -> None:
    """`studies?PatientAge=020-030&Modality=CT`; DIMSE has no ranges of ages (PS3.4 C.2.2.2.5)."""

    def of_age(ds: pydicom.Dataset) -> bool:
        return text(ds, "Modality") == "CT" and "040Y" <= text(ds, "PatientAge") <= "080Y"

    expected = anywhere.uids("studies", of_age)
    assert len(expected) >= 3
    assert search(http, anywhere, "studies", {"PatientAge": "040-080", "Modality": "CT"}) == expected
