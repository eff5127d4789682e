"""What matches a key: single values, wildcards, lists, and what an origin leaves out."""

import gc
import tracemalloc
from time import process_time

import pytest

from isthmus.common.dicom.json_model import JsonElement
from isthmus.common.dicom.matching import Matcher
from tests.common.dicom.matching_keys import attribute, is_match, key


def test_another_value_does_not_match() -> None:
    assert not is_match("PatientID", "A1", "A2")


def test_an_empty_attribute_matches_no_value() -> None:
    assert not is_match("PatientID", "A1")
    assert not is_match("PatientID", "A1", None)
    assert not is_match("PatientID", "?*", "")
    assert not is_match("PatientName", "?*", {})


def test_an_absent_attribute_keeps_the_match() -> None:
    """The origin may have matched what it does not give back."""
    assert Matcher([key("PatientID", "A1")]).matches({})


@pytest.mark.parametrize("place", ["BulkDataURI", "InlineBinary"])
def test_a_value_that_is_elsewhere_keeps_the_match(place: str) -> None:
    element: JsonElement = {"vr": "LT"}
    if place == "BulkDataURI":
        element["BulkDataURI"] = "http://127.0.0.1/bulkdata/00104000"
    else:
        element["InlineBinary"] = "AAAA"

    assert Matcher([key("PatientComments", "a")]).matches({"00104000": element})


def test_all_keys_must_hold() -> None:
    matcher = Matcher([key("PatientID", "A1"), key("StudyID", "1")])

    assert not matcher.matches(attribute("PatientID", "A1") | attribute("StudyID", "2"))
    assert matcher.matches(attribute("PatientID", "A1") | attribute("StudyID", "1"))


def test_two_keys_for_one_attribute_must_both_hold() -> None:
    matcher = Matcher([key("StudyDescription", "CT*"), key("StudyDescription", "*HEAD")])

    assert not matcher.matches(attribute("StudyDescription", "CT CHEST"))
    assert matcher.matches(attribute("StudyDescription", "CT HEAD"))


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("PatientID", ()),
        ("PatientID", ("",)),
        ("PatientID", ("A1", "")),
        ("PatientID", ("*",)),
        ("PatientName", ("**",)),
        ("StudyDate", ("*",)),
        ("StudyDate", ("-",)),
        ("SOPInstanceUID", ("*",)),
        ("SeriesNumber", ("*",)),
        ("PatientAge", ("-",)),
        ("RequestAttributesSequence.ScheduledProcedureStepID", ("*",)),
    ],
)
def test_universal_matching_holds_even_for_what_is_empty(name: str, values: tuple[str, ...]) -> None:
    """PS3.4 C.2.2.2.3; legacy clients send `*` for any VR."""
    empty = attribute(name.split(".", maxsplit=1)[0])

    assert Matcher([key(name, *values)]).matches(empty)


@pytest.mark.parametrize(
    ("name", "wanted", "stored"),
    [
        ("Modality", "ct", "CT"),
        ("StudyDescription", "head*", "HEAD CT"),
        ("PatientID", "A?", "A12"),
        ("AccessionNumber", "1.*", "123"),
    ],
)
def test_wildcards_mind_the_case_and_nothing_else_is_special(name: str, wanted: str, stored: str) -> None:
    assert not is_match(name, wanted, stored)


@pytest.mark.parametrize(
    ("name", "wanted", "stored"),
    [
        ("PatientID", "A*", "A12"),
        ("PatientID", "A1", "A1 "),
        ("StudyDescription", " CT ", "CT"),
        ("StudyDescription", "*?EAD*", "CT HEAD 2"),
        ("PatientComments", "one*three", "one\ntwo\nthree"),
        ("Modality", "?T", "CT"),
    ],
)
def test_wildcards_match_and_padding_does_not_matter(name: str, wanted: str, stored: str) -> None:
    assert is_match(name, wanted, stored)


@pytest.mark.parametrize("wanted", ["1.2.*", "1.2.?", "1.2"])
def test_uids_have_no_wildcards(wanted: str) -> None:
    assert not is_match("SOPInstanceUID", wanted, "1.2.3")


def test_any_uid_of_a_list_matches() -> None:
    matcher = Matcher([key("SOPInstanceUID", "1.2.3", "1.2.4")])

    assert matcher.matches(attribute("SOPInstanceUID", "1.2.4\0"))
    assert not matcher.matches(attribute("SOPInstanceUID", "1.2.5"))


def test_any_of_several_modalities_matches_any_of_several_stored() -> None:
    matcher = Matcher([key("ModalitiesInStudy", "MR", "SR")])

    assert matcher.matches(attribute("ModalitiesInStudy", "CT", "SR"))
    assert not matcher.matches(attribute("ModalitiesInStudy", "CT", "PT"))
    assert not matcher.matches(attribute("ModalitiesInStudy"))


@pytest.mark.parametrize("name", ["PatientComments", "PatientName"])
@pytest.mark.parametrize("fuzzy", [False, True])
def test_no_pattern_makes_the_time_explode(name: str, fuzzy: bool) -> None:
    matcher = Matcher([key(name, "*a" * 100 + "b")], fuzzy=fuzzy)
    begin = process_time()

    assert not matcher.matches(attribute(name, "a" * 10_000))
    assert process_time() - begin < 2


def test_queries_leave_nothing_behind() -> None:
    """What clients ask for must not grow a cache beyond that of `re`, which is bounded."""

    def held_after(numbers: range) -> int:
        for number in numbers:
            Matcher([key("StudyDescription", f"{number}*")]).matches(attribute("StudyDescription", "x"))
        gc.collect()
        held, _ = tracemalloc.get_traced_memory()
        return held

    tracemalloc.start()
    try:
        held = held_after(range(1000))
        assert held_after(range(1000, 2000)) < 1.2 * held
    finally:
        tracemalloc.stop()
