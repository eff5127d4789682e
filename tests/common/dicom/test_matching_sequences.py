"""Keys within sequences (PS3.4 C.2.2.2.6)."""

from isthmus.common.dicom.json_model import DicomJson
from isthmus.common.dicom.matching import Matcher
from tests.common.dicom.matching_keys import attribute, key


def _requests(*items: DicomJson) -> DicomJson:
    return attribute("RequestAttributesSequence", *items)


_STEP_A = "RequestAttributesSequence.ScheduledProcedureStepID", "A"
_PROCEDURE_1 = "RequestAttributesSequence.RequestedProcedureID", "1"


def test_an_attribute_in_any_item_of_a_sequence_matches() -> None:
    matcher = Matcher([key(*_STEP_A)])

    assert matcher.matches(
        _requests(attribute("ScheduledProcedureStepID", "B"), attribute("ScheduledProcedureStepID", "A"))
    )
    assert not matcher.matches(_requests(attribute("ScheduledProcedureStepID", "B")))


def test_one_item_must_hold_all_keys_of_a_sequence() -> None:
    """PS3.4 C.2.2.2.6."""
    matcher = Matcher([key(*_STEP_A), key(*_PROCEDURE_1)])
    step_a, step_b = attribute("ScheduledProcedureStepID", "A"), attribute("ScheduledProcedureStepID", "B")
    procedure_1, procedure_2 = attribute("RequestedProcedureID", "1"), attribute("RequestedProcedureID", "2")

    assert not matcher.matches(_requests(step_a | procedure_2, step_b | procedure_1))
    assert matcher.matches(_requests(step_b | procedure_2, step_a | procedure_1))


def test_an_empty_sequence_has_no_item_that_could_match() -> None:
    assert not Matcher([key(*_STEP_A)]).matches(_requests())


def test_a_sequence_or_its_attribute_that_is_absent_keeps_the_match() -> None:
    assert Matcher([key(*_STEP_A)]).matches({})
    assert Matcher([key(*_STEP_A)]).matches(_requests({}))


def test_sequences_match_at_any_depth() -> None:
    matcher = Matcher([key("RequestAttributesSequence.RequestedProcedureCodeSequence.CodeValue", "X")])
    codes = [attribute("RequestedProcedureCodeSequence", attribute("CodeValue", code)) for code in "XY"]

    assert matcher.matches(_requests(codes[1], codes[0]))
    assert not matcher.matches(_requests(codes[1]))


def test_what_should_be_an_item_and_is_none_does_not_match() -> None:
    assert not Matcher([key(*_STEP_A)]).matches(attribute("RequestAttributesSequence", "A", None))
