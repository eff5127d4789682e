import pytest

from isthmus.common.dicom.attributes import parse_path
from isthmus.common.dicom.levels import Level
from isthmus.common.dicom.matching import MatchingKey, Wanted
from isthmus.common.dimse.identifiers import encode_identifier
from isthmus.common.messages import Query
from isthmus.common.retrieving.ask import Ask
from isthmus.common.retrieving.listing import Listed
from isthmus.dimse_scu.identifier import find_identifier, retrieve_identifier

EXPLICIT = "1.2.840.10008.1.2.1"


def query(name: str, *values: str, fuzzy: bool = False, level: Level = Level.STUDY) -> Query:
    return Query("pacs", level, (MatchingKey(parse_path(name, "test"), values),), (), fuzzy)


@pytest.mark.parametrize(
    ("name", "values", "sent"),
    [
        ("PatientID", ("A*",), "A*"),
        ("PatientID", ("A", "B"), ""),
        ("StudyDate", ("20240101-20240131",), "20240101-20240131"),
        ("StudyDate", ("20240101-",), "20240101-"),
        ("StudyDate", ("-",), ""),
        ("PatientID", ("*",), ""),
        ("PatientAge", ("020Y-030Y",), ""),
        ("StudyInstanceUID", ("1.2", "1.3"), ["1.2", "1.3"]),
        ("StudyInstanceUID", ("1." * 50 + "1",), "1." * 50 + "1"),
        ("Rows", ("512",), ""),
        ("SeriesNumber", ("7",), "7"),
    ],
)
def test_what_an_origin_can_match_is_sent_and_the_rest_is_universal(
    name: str, values: tuple[str, ...], sent: object
) -> None:
    identifier = find_identifier(query(name, *values), "ISO_IR 192")
    value = identifier[name].value
    assert (list(value) if isinstance(sent, list) else str("" if value is None else value)) == sent
    assert encode_identifier(identifier, EXPLICIT).getvalue()


def test_of_several_values_that_must_all_be_there_the_first_narrows_what_comes() -> None:
    key = MatchingKey(parse_path("ModalitiesInStudy", "test"), ("CT", "PT"), Wanted.EVERY)
    assert find_identifier(Query("pacs", Level.STUDY, (key,), ()), "ISO_IR 192").ModalitiesInStudy == "CT"


def test_a_value_that_must_not_be_there_is_no_key() -> None:
    key = MatchingKey(parse_path("AccessionNumber", "test"), (), Wanted.NOTHING)
    assert not find_identifier(Query("pacs", Level.STUDY, (key,), ()), "ISO_IR 192").AccessionNumber


def test_10_6_3_3_whether_it_is_online_is_asked_and_its_url_is_not() -> None:
    identifier = find_identifier(
        Query("pacs", Level.STUDY, (), (("00080056",), ("00081190",), ("00080201",))), "ISO_IR 192"
    )
    assert "InstanceAvailability" in identifier
    assert "RetrieveURL" not in identifier
    assert "TimezoneOffsetFromUTC" not in identifier


def test_names_are_not_sent_when_they_are_matched_fuzzily() -> None:
    identifier = find_identifier(query("PatientName", "Mueller", fuzzy=True), "ISO_IR 192")
    assert not identifier.PatientName


def test_a_key_in_a_sequence_is_sent_in_an_item() -> None:
    identifier = find_identifier(
        query("RequestAttributesSequence.RequestedProcedureID", "R1", level=Level.SERIES), "ISO_IR 192"
    )
    assert identifier.RequestAttributesSequence[0].RequestedProcedureID == "R1"


def test_the_character_set_is_the_origins() -> None:
    identifier = find_identifier(query("PatientName", "Müller"), "ISO_IR 100")
    assert "Müller".encode("latin-1") in encode_identifier(identifier, EXPLICIT).getvalue()


def test_instances_are_asked_for_by_their_whole_path() -> None:
    identifier = retrieve_identifier(
        Ask.for_instances("1.2", [Listed("1.2.3", uid, "", "CT") for uid in ("1.2.3.4", "1.2.3.5")])
    )
    assert identifier.QueryRetrieveLevel == "IMAGE"
    assert (identifier.StudyInstanceUID, identifier.SeriesInstanceUID) == ("1.2", "1.2.3")
    assert list(identifier.SOPInstanceUID) == ["1.2.3.4", "1.2.3.5"]
