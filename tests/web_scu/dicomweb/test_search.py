"""Searches of Orthanc's DICOMweb plugin: each finds what it holds, however it is asked."""

import pytest

from isthmus.common.bus import Bus, subjects
from isthmus.common.config import DicomwebOrigin
from isthmus.common.dicom.levels import Level
from isthmus.common.messages import Echo, EchoDone
from tests.peers import Orthanc
from tests.web_scu.dicomweb.asking import found, query, uids_of


async def test_all_studies_are_found(bus: Bus, cloud: DicomwebOrigin, orthanc: Orthanc) -> None:
    studies = await found(bus, query(cloud.name, Level.STUDY))
    # Two patients' studies have one UID, and both are there.
    expected = {(one.patient_id, one.study_instance_uid) for one in orthanc.held().values()}
    assert sorted(uids_of(studies, Level.STUDY)) == sorted(uid for _, uid in expected)


async def test_all_series_and_instances_are_found_below_each_study(
    bus: Bus, cloud: DicomwebOrigin, orthanc: Orthanc
) -> None:
    for study, held in list(orthanc.listing().items())[:8]:
        named = ("StudyInstanceUID", study)
        series = await found(bus, query(cloud.name, Level.SERIES, named))
        assert sorted(set(uids_of(series, Level.SERIES))) == sorted(held)
        instances = await found(bus, query(cloud.name, Level.IMAGE, named))
        assert sorted(uids_of(instances, Level.IMAGE)) == sorted(uid for one in held.values() for uid in one)
        for uid, of_series in held.items():
            keys = (named, ("SeriesInstanceUID", uid))
            one = await found(bus, query(cloud.name, Level.IMAGE, *keys))
            assert sorted(uids_of(one, Level.IMAGE)) == sorted(of_series)


async def test_relational_searches_find_all_of_it(bus: Bus, cloud: DicomwebOrigin, orthanc: Orthanc) -> None:
    held = orthanc.held().values()
    series = await found(bus, query(cloud.name, Level.SERIES))
    assert set(uids_of(series, Level.SERIES)) == {one.series_instance_uid for one in held}
    instances = await found(bus, query(cloud.name, Level.IMAGE))
    assert set(uids_of(instances, Level.IMAGE)) == {one.sop_instance_uid for one in held}


@pytest.mark.parametrize(
    "keys",
    [
        (("PatientID", "CQ500-CT-310"),),
        (("PatientName", "cq500*"),),
        (("PatientID", "CQ500-CT-???"), ("ModalitiesInStudy", "CT")),
        (("PatientID", "CQ500-CT-310"), ("StudyDate", "-")),
        (("PatientID", "CQ500-CT-310"), ("ModalitiesInStudy", ("MR", "CT"))),
    ],
)
async def test_a_patient_is_found(
    bus: Bus, cloud: DicomwebOrigin, keys: tuple[tuple[str, str | tuple[str, ...]], ...]
) -> None:
    returned = ("PatientID", "NumberOfStudyRelatedInstances", "StudyDescription")
    (match,) = await found(bus, query(cloud.name, Level.STUDY, *keys, returned=returned))
    assert match["00100020"]["Value"] == ["CQ500-CT-310"]
    assert match["00201208"]["Value"] == [1]


@pytest.mark.parametrize("name", ["Doe^Peter", "doe^p*", "Doe^Pete?", "Doe^Pe*r"])
async def test_a_name_is_found_by_a_server_that_does_not_unescape(
    bus: Bus, cloud: DicomwebOrigin, name: str
) -> None:
    matches = await found(
        bus, query(cloud.name, Level.STUDY, ("PatientName", name), returned=("PatientName",))
    )
    assert {str(match["00100010"]["Value"]) for match in matches} == {"[{'Alphabetic': 'Doe^Peter'}]"}


@pytest.mark.parametrize("keys", [(("PatientID", "nobody"),), (("StudyInstanceUID", "1.2.3"),)])
async def test_nobody_is_found(bus: Bus, cloud: DicomwebOrigin, keys: tuple[tuple[str, str], ...]) -> None:
    assert await found(bus, query(cloud.name, Level.STUDY, *keys)) == []


async def test_a_list_of_uids_finds_each(bus: Bus, cloud: DicomwebOrigin, orthanc: Orthanc) -> None:
    studies = sorted(orthanc.listing())[:3]
    keys = ("StudyInstanceUID", [*studies, "1.2.3"])
    assert (
        sorted(set(uids_of(await found(bus, query(cloud.name, Level.STUDY, keys)), Level.STUDY))) == studies
    )


async def test_the_server_answers_an_echo(bus: Bus, cloud: DicomwebOrigin) -> None:
    answer = await bus.request(subjects.echo(cloud.name), Echo(cloud.name), EchoDone)
    assert answer.failure is None
    assert 0 < answer.latency_ms < 5000
