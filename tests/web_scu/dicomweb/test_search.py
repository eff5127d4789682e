"""Searches of a DICOMweb server: each of them finds what the server holds, however it is asked."""

from collections.abc import Iterable

from isthmus.common.bus import Bus, search
from isthmus.common.config import DicomwebOrigin
from isthmus.common.dicom.attributes import parse_path
from isthmus.common.dicom.json_model import DicomJson
from isthmus.common.dicom.levels import Level
from isthmus.common.dicom.matching import MatchingKey
from isthmus.common.dicom.search_attributes import UNIQUE_KEYS
from isthmus.common.messages import Query
from tests.peers import Orthanc

RETURNED = (
    "PatientID",
    "PatientName",
    "ModalitiesInStudy",
    "NumberOfStudyRelatedInstances",
    "StudyDescription",
)


def query(
    origin: DicomwebOrigin, level: Level, *keys: tuple[str, Iterable[str]], returned: Iterable[str] = RETURNED
) -> Query:
    matching = tuple(MatchingKey(parse_path(name, "test"), tuple(values)) for name, values in keys)
    return Query(origin.name, level, matching, tuple(parse_path(name, "test") for name in returned))


async def found(bus: Bus, asked: Query) -> list[DicomJson]:
    async with search(bus, asked) as matches:
        return [match async for match in matches]


def uids_of(matches: Iterable[DicomJson], level: Level) -> list[str]:
    return sorted(str(match[UNIQUE_KEYS[level]]["Value"][0]) for match in matches)


async def test_all_that_the_server_holds_is_found(bus: Bus, cloud: DicomwebOrigin, orthanc: Orthanc) -> None:
    held = orthanc.held().values()
    studies = await found(bus, query(cloud, Level.STUDY))
    expected = sorted({(one.patient_id, one.study_instance_uid) for one in held})
    assert uids_of(studies, Level.STUDY) == sorted(uid for _, uid in expected)
