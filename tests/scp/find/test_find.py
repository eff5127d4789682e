"""C-FIND: what a client asks, what the origin is asked for it, and what the client is told."""

import pytest
from pydicom.dataset import Dataset

from isthmus.common.bus import Bus
from isthmus.common.config import DimseOrigin
from isthmus.common.dicom.attributes import tag_of
from isthmus.common.dicom.json_model import DicomJson
from isthmus.common.dicom.levels import Level
from isthmus.common.dicom.matching import MatchingKey
from isthmus.scp.worker import Server
from tests.audited import audited
from tests.scp.find.conftest import (
    ARCHIVE,
    EXPLICIT,
    IMPLICIT,
    PATIENT_ROOT,
    PATIENT_STUDY_ONLY,
    STUDY_ROOT,
    Played,
    ask,
    request,
)

pytestmark = pytest.mark.anyio


def attributes(**values: object) -> DicomJson:
    """A match in the DICOM JSON Model."""
    found = Dataset()
    for keyword, value in values.items():
        setattr(found, keyword, value)
    return found.to_json_dict()


def key(keyword: str, *values: str) -> MatchingKey:
    return MatchingKey((tag_of(keyword),), values)


async def test_a_match_is_told_with_what_was_asked_for(server: Server, played: Played) -> None:
    match = attributes(StudyInstanceUID="1.2.3", PatientName="Doe^Jane", StudyDate="20200102", StudyID="7")
    played.answer = lambda _: [match]
    answer = await ask(server, request(PatientName="DOE*", StudyInstanceUID="", StudyDate="20200101-"))
    assert answer.status == 0x0000
    assert answer.pending == [0xFF00]
    (told,) = answer.matches
    assert told.PatientName == "Doe^Jane"
    assert told.StudyInstanceUID == "1.2.3"
    assert told.StudyDate == "20200102"
    assert told.QueryRetrieveLevel == "STUDY"
    assert told.RetrieveAETitle == ARCHIVE
    assert len(told) == 5


async def test_the_origin_is_asked_for_the_same(server: Server, played: Played) -> None:
    await ask(
        server,
        request(PatientName="DOE*", StudyDate="20200101-", StudyInstanceUID=["1.2", "1.3"], StudyID=""),
    )
    (query,) = played.queries
    assert query.level is Level.STUDY
    assert set(query.keys) == {
        key("StudyInstanceUID", "1.2", "1.3"),
        key("PatientName", "DOE*"),
        key("StudyDate", "20200101-"),
    }
    assert {path[0] for path in query.return_keys} == {
        tag_of(name) for name in ("StudyInstanceUID", "PatientName", "StudyDate", "StudyID")
    }


async def test_no_match_is_success(server: Server, played: Played) -> None:
    answer = await ask(server, request(StudyInstanceUID="1.2.3"))
    assert (answer.status, answer.matches) == (0x0000, [])


async def test_identifiers_are_in_the_negotiated_transfer_syntax(server: Server, played: Played) -> None:
    played.answer = lambda _: [attributes(StudyInstanceUID="1.2.3", PatientName="Doe")]
    answer = await ask(server, request(StudyInstanceUID="", PatientName=""), syntax=IMPLICIT)
    assert answer.matches[0].PatientName == "Doe"


async def test_a_series_is_searched_below_its_study(server: Server, played: Played) -> None:
    played.answer = lambda _: [attributes(SeriesInstanceUID="1.2.3.4", Modality="CT")]
    answer = await ask(server, request("SERIES", StudyInstanceUID="1.2.3", SeriesInstanceUID="", Modality=""))
    (query,) = played.queries
    assert query.level is Level.SERIES
    assert query.keys == (key("StudyInstanceUID", "1.2.3"),)
    (told,) = answer.matches
    assert (told.StudyInstanceUID, told.SeriesInstanceUID, told.Modality) == ("1.2.3", "1.2.3.4", "CT")


@pytest.mark.parametrize("model", [PATIENT_ROOT, PATIENT_STUDY_ONLY])
async def test_a_patient_is_told_once(server: Server, played: Played, model: str) -> None:
    played.answer = lambda _: [
        attributes(StudyInstanceUID="1.1", PatientID="A", PatientName="One"),
        attributes(StudyInstanceUID="1.2", PatientID="B", PatientName="Two"),
        attributes(StudyInstanceUID="1.3", PatientID="A", PatientName="One"),
    ]
    answer = await ask(server, request("PATIENT", PatientID="", PatientName=""), model=model)
    assert [(told.PatientID, told.PatientName) for told in answer.matches] == [("A", "One"), ("B", "Two")]
    assert {told.QueryRetrieveLevel for told in answer.matches} == {"PATIENT"}


async def test_the_numbers_of_a_patient_are_summed_up(server: Server, played: Played) -> None:
    played.answer = lambda _: [
        attributes(
            StudyInstanceUID=f"1.{number}",
            PatientID=patient,
            NumberOfStudyRelatedSeries=2,
            NumberOfStudyRelatedInstances=instances,
        )
        for number, (patient, instances) in enumerate([("A", 10), ("B", 20), ("A", 30)])
    ]
    identifier = request(
        "PATIENT",
        PatientID="",
        NumberOfPatientRelatedStudies=None,
        NumberOfPatientRelatedSeries=None,
        NumberOfPatientRelatedInstances=None,
    )
    answer = await ask(server, identifier, model=PATIENT_ROOT)
    numbers = [
        (
            told.PatientID,
            told.NumberOfPatientRelatedStudies,
            told.NumberOfPatientRelatedSeries,
            told.NumberOfPatientRelatedInstances,
        )
        for told in answer.matches
    ]
    assert numbers == [("A", 2, 4, 40), ("B", 1, 2, 20)]


async def test_a_number_that_not_all_studies_tell_is_left_empty(server: Server, played: Played) -> None:
    played.answer = lambda _: [
        attributes(StudyInstanceUID="1.1", PatientID="A", NumberOfStudyRelatedSeries=2),
        attributes(StudyInstanceUID="1.2", PatientID="A"),
    ]
    identifier = request("PATIENT", PatientID="", NumberOfPatientRelatedSeries=None)
    (told,) = (await ask(server, identifier, model=PATIENT_ROOT)).matches
    assert told.NumberOfPatientRelatedSeries is None


async def test_a_study_is_searched_below_its_patient(server: Server, played: Played) -> None:
    identifier = request(PatientID="A", StudyInstanceUID="")
    await ask(server, identifier, model=PATIENT_ROOT)
    assert played.queries[0].keys == (key("PatientID", "A"),)


async def test_modalities_of_a_study_are_matched_by_modality_too(server: Server, played: Played) -> None:
    answer = await ask(server, request(Modality="CT", StudyInstanceUID=""))
    assert played.queries[0].keys == (key("ModalitiesInStudy", "CT"),)
    assert answer.status == 0x0000


async def test_a_sequence_is_asked_for_and_told_as_deep_as_it_was_asked(
    server: Server, played: Played
) -> None:
    item = attributes(ScheduledProcedureStepID="S1", RequestedProcedureID="R1")
    code = attributes(CodeValue="1", CodingSchemeDesignator="L")
    played.answer = lambda _: [
        attributes(SeriesInstanceUID="1.2.3")
        | {
            tag_of("RequestAttributesSequence"): {"vr": "SQ", "Value": [item, item]},
            tag_of("PerformedProtocolCodeSequence"): {"vr": "SQ", "Value": [code]},
        }
    ]
    wanted = Dataset()
    wanted.ScheduledProcedureStepID = "S1"
    identifier = request(
        "SERIES",
        StudyInstanceUID="1.2",
        RequestAttributesSequence=[wanted],
        PerformedProtocolCodeSequence=[],
    )
    (told,) = (await ask(server, identifier)).matches
    path = (tag_of("RequestAttributesSequence"), tag_of("ScheduledProcedureStepID"))
    assert MatchingKey(path, ("S1",)) in played.queries[0].keys
    assert [len(one) for one in told.RequestAttributesSequence] == [1, 1]
    assert told.RequestAttributesSequence[0].ScheduledProcedureStepID == "S1"
    assert told.PerformedProtocolCodeSequence[0].CodeValue == "1"


async def test_a_value_that_cannot_be_is_left_empty(server: Server, played: Played) -> None:
    match = attributes(StudyInstanceUID="1.2")
    match[tag_of("PatientName")] = {"vr": "PN", "Value": ["Doe\\Roe"]}
    match[tag_of("NumberOfStudyRelatedSeries")] = {"vr": "IS", "Value": ["many"]}
    match[tag_of("StudyDescription")] = {"vr": "LO", "BulkDataURI": "http://127.0.0.1/1"}
    played.answer = lambda _: [match]
    identifier = request(
        StudyInstanceUID="", PatientName="", NumberOfStudyRelatedSeries=None, StudyDescription=""
    )
    answer = await ask(server, identifier)
    (told,) = answer.matches
    assert answer.status == 0x0000
    assert told.StudyInstanceUID == "1.2"
    assert not told.PatientName
    assert told.NumberOfStudyRelatedSeries is None
    assert not told.StudyDescription


async def test_instance_availability_is_told_where_it_is_asked_for(server: Server, played: Played) -> None:
    played.answer = lambda _: [attributes(StudyInstanceUID="1.2", InstanceAvailability="NEARLINE")]
    asked = await ask(server, request(StudyInstanceUID="", InstanceAvailability=""))
    not_asked = await ask(server, request(StudyInstanceUID=""))
    assert asked.matches[0].InstanceAvailability == "NEARLINE"
    assert "InstanceAvailability" not in not_asked.matches[0]


async def test_private_attributes_are_said_not_to_be_supported(server: Server, played: Played) -> None:
    played.answer = lambda _: [attributes(StudyInstanceUID="1.2")]
    identifier = request(StudyInstanceUID="")
    identifier.add_new(0x00110010, "LO", "MAKER")
    identifier.add_new(0x00111001, "LO", "value")
    answer = await ask(server, identifier)
    assert (answer.status, answer.pending) == (0x0000, [0xFF01])
    assert not played.queries[0].keys


@pytest.mark.parametrize("max_pdu", [0, 64, 4096])
async def test_responses_are_cut_to_the_pdus_that_a_client_takes(
    server: Server, played: Played, max_pdu: int
) -> None:
    described = "A study" * 3_000
    long: DicomJson = {tag_of("StudyComments"): {"vr": "LT", "Value": [described]}}
    played.answer = lambda _: [attributes(StudyInstanceUID=f"1.{number}") | long for number in range(20)]
    answer = await ask(server, request(StudyInstanceUID="", StudyComments=""), max_pdu=max_pdu)
    assert answer.status == 0x0000
    assert [told.StudyComments for told in answer.matches] == [described] * 20


async def test_what_is_searched_for_is_recorded(server: Server, bus: Bus, origin: DimseOrigin) -> None:
    await ask(server, request(PatientID="P-17", StudyDate="20200101-", StudyInstanceUID=""))
    (record,) = await audited(bus, origin=origin.name)
    assert (record.event, record.action, record.who) == ("query", "C-FIND", "ae-title:FINDER")
    assert record.query == "StudyDate=20200101-&QueryRetrieveLevel=STUDY&PatientID=P-17"
    assert (record.patients, record.sop_class_uid) == (("P-17",), STUDY_ROOT)
    assert b"P-17" in record.identifier
    assert record.transfer_syntax_uid == EXPLICIT
