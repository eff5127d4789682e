"""C-FIND: what a client asks, what the origin is asked for it, and what the client is told."""

import pytest
from pydicom.dataset import Dataset

from isthmus.common.dicom.attributes import tag_of
from isthmus.common.dicom.json_model import DicomJson
from isthmus.common.dicom.levels import Level
from isthmus.common.dicom.matching import MatchingKey
from isthmus.scp.worker import Server
from tests.scp.find.conftest import (
    ARCHIVE,
    IMPLICIT,
    PATIENT_ROOT,
    PATIENT_STUDY_ONLY,
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
