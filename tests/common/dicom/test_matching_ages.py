"""Patients' ages: stored, or derived from a birth date and a study date."""

import pytest

from isthmus.common.dicom.matching import Matcher
from tests.common.dicom.matching_keys import attribute, key

_IN_2024 = attribute("StudyDate", "20240131")
_BORN_2000 = attribute("PatientBirthDate", "20000201")


def test_an_age_that_is_not_known_does_not_match() -> None:
    """No origin was asked for it, so none can have matched it."""
    matcher = Matcher([key("PatientAge", "020-030")])

    assert not matcher.matches({})
    assert not matcher.matches(_IN_2024)
    assert not matcher.matches(_BORN_2000 | attribute("StudyDate"))
    assert not matcher.matches(attribute("PatientBirthDate", "2000") | _IN_2024)
    assert not matcher.matches(attribute("PatientBirthDate", "20250101") | _IN_2024)


@pytest.mark.parametrize(
    ("wanted", "is_match"),
    [
        ("023Y", True),
        ("024Y", False),
        ("22", False),
        ("020-030", True),
        ("024-030", False),
        ("020-022", False),
        ("287M", True),
        ("288M-", False),
        ("-023Y", True),
        ("200M-25Y", True),
    ],
)
def test_an_age_is_derived_from_birth_and_study_date(wanted: str, is_match: bool) -> None:
    assert Matcher([key("PatientAge", wanted)]).matches(_BORN_2000 | _IN_2024) is is_match


@pytest.mark.parametrize(
    ("stored", "is_match"),
    [
        ("020Y", True),
        ("030Y", True),
        ("019Y", False),
        ("031Y", False),
        ("300M", True),
        ("999D", False),
        ("25", True),
    ],
)
def test_a_stored_age_is_taken_before_a_derived_one(stored: str, is_match: bool) -> None:
    match = attribute("PatientAge", stored) | attribute("PatientBirthDate", "19000101") | _IN_2024

    assert Matcher([key("PatientAge", "020-030")]).matches(match) is is_match


@pytest.mark.parametrize("stored", ["", "unknown", "20000201/20240131"])
def test_a_stored_age_that_is_none_is_derived(stored: str) -> None:
    match = attribute("PatientAge", stored) | _BORN_2000 | _IN_2024

    assert Matcher([key("PatientAge", "023Y")]).matches(match)
    assert not Matcher([key("PatientAge", "023Y")]).matches(attribute("PatientAge", stored))


def test_any_of_several_ages_matches() -> None:
    assert Matcher([key("PatientAge", "010Y", "020-030")]).matches(_BORN_2000 | _IN_2024)


def test_an_age_within_a_sequence_is_like_any_other_attribute() -> None:
    name = "ReferencedPatientPhotoSequence.PatientAge"
    item = attribute("PatientAge", "034Y")

    assert Matcher([key(name, "030-040")]).matches(attribute("ReferencedPatientPhotoSequence", item))
    assert not Matcher([key(name, "020-030")]).matches(attribute("ReferencedPatientPhotoSequence", item))
