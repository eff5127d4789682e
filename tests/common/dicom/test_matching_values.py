"""Every one of several values (PS3.4 C.2.2.2.8), and none (C.2.2.2.7)."""

import pytest

from isthmus.common.dicom.attributes import parse_path
from isthmus.common.dicom.json_model import JsonValue
from isthmus.common.dicom.matching import Matcher, MatchingKey, Wanted
from tests.common.dicom.matching_keys import attribute, key


def _every(name: str, *values: str) -> Matcher:
    return Matcher([MatchingKey(parse_path(name, name), values, Wanted.EVERY)])


@pytest.mark.parametrize(
    ("stored", "is_match"),
    [(["PT", "CT"], True), (["CT", "SR", "PT"], True), (["CT"], False), (["CT", "CT"], False), ([], False)],
)
def test_ps3_4_c_2_2_2_8_every_value_must_be_there_in_any_order(
    stored: list[JsonValue], is_match: bool
) -> None:
    assert (
        _every("ModalitiesInStudy", "CT", "PT").matches(attribute("ModalitiesInStudy", *stored)) is is_match
    )


def test_every_name_must_be_there() -> None:
    names = attribute("OtherPatientNames", {"Alphabetic": "Doe^Jane"}, {"Alphabetic": "ROE^JANE"})
    assert _every("OtherPatientNames", "doe^jane", "Roe^Jane").matches(names)
    assert not _every("OtherPatientNames", "doe^jane", "Poe^Jane").matches(names)


def _nothing(name: str) -> Matcher:
    return Matcher([MatchingKey(parse_path(name, name), (), Wanted.NOTHING)])


@pytest.mark.parametrize(
    ("name", "stored"), [("PatientID", "A1"), ("PatientName", {"Alphabetic": "Doe"}), ("PatientAge", "020Y")]
)
def test_ps3_4_c_2_2_2_7_an_empty_value_is_matched_by_no_value_and_by_nothing_else(
    name: str, stored: JsonValue
) -> None:
    matcher = _nothing(name)

    assert matcher.matches({})
    assert matcher.matches(attribute(name))
    assert matcher.matches(attribute(name, None))
    assert not matcher.matches(attribute(name, stored))
    assert not matcher.matches(attribute(name, None, stored))


def test_a_value_that_is_elsewhere_is_not_empty() -> None:
    assert not _nothing("PatientComments").matches({"00104000": {"vr": "LT", "InlineBinary": "AAAA"}})


def test_an_empty_value_in_a_sequence_is_matched_by_an_item_without_it_and_by_no_items() -> None:
    matcher = _nothing("RequestAttributesSequence.RequestedProcedureID")

    assert matcher.matches(attribute("RequestAttributesSequence"))
    assert matcher.matches(attribute("RequestAttributesSequence", {}))
    assert matcher.matches(
        attribute("RequestAttributesSequence", attribute("RequestedProcedureID", "1"), attribute("StudyID"))
    )
    assert not matcher.matches(attribute("RequestAttributesSequence", attribute("RequestedProcedureID", "1")))


def test_an_empty_value_beside_another_key_of_the_sequence_needs_an_item_that_has_that_one() -> None:
    keys = [
        MatchingKey(parse_path("RequestAttributesSequence.RequestedProcedureID", ""), (), Wanted.NOTHING),
        key("RequestAttributesSequence.ScheduledProcedureStepID", "S1"),
    ]
    assert not Matcher(keys).matches(attribute("RequestAttributesSequence"))
    step = attribute("ScheduledProcedureStepID", "S1")
    assert Matcher(keys).matches(attribute("RequestAttributesSequence", step))
    procedure = attribute("RequestedProcedureID", "1")
    assert not Matcher(keys).matches(attribute("RequestAttributesSequence", {**step, **procedure}))
