"""Result by result: what a client is told here, and what Orthanc itself tells it."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from pydicom.dataset import Dataset

from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus
from isthmus.scp.worker import Server
from tests.peers import Orthanc
from tests.scp.find.conftest import (
    EXPLICIT,
    IMPLICIT,
    PATIENT_ROOT,
    PATIENT_STUDY_ONLY,
    STUDY_ROOT,
    ask,
    before,
    before_dicomweb,
    find,
    request,
)

pytestmark = pytest.mark.anyio

OF_PATIENTS = {"PatientID": "", "PatientName": "", "PatientBirthDate": "", "PatientSex": ""}
OF_STUDIES = {
    "StudyInstanceUID": "",
    "StudyDate": "",
    "StudyTime": "",
    "AccessionNumber": "",
    "StudyDescription": "",
    "StudyID": "",
    "ReferringPhysicianName": "",
    "ModalitiesInStudy": "",
    "NumberOfStudyRelatedSeries": "",
    "NumberOfStudyRelatedInstances": "",
}
OF_SERIES = {
    "SeriesInstanceUID": "",
    "Modality": "",
    "SeriesNumber": "",
    "SeriesDescription": "",
    "NumberOfSeriesRelatedInstances": "",
}
OF_IMAGES = {"SOPInstanceUID": "", "SOPClassUID": "", "InstanceNumber": ""}


@pytest.fixture(params=["dimse", "dicomweb"])
async def bridge(
    request: pytest.FixtureRequest, bus: Bus, blobs: BlobStore, origin_name: str, orthanc: Orthanc
) -> AsyncIterator[Server]:
    """The face before Orthanc, over either of its protocols; its called AE title is the same."""
    peer = orthanc.peer
    if request.param == "dimse":
        running = before(bus, blobs, origin_name, peer)
    else:
        running = before_dicomweb(bus, blobs, origin_name, peer.ae_title, f"{orthanc.url}/dicom-web")
    async with running as server:
        yield server


def told(matches: list[Dataset], unique: str) -> list[dict[str, str]]:
    """What was told, attribute by attribute, in an order of its own."""
    found = [
        {
            element.keyword: str(element.value if element.value is not None else "")
            for element in match
            if element.keyword not in ("SpecificCharacterSet", "RetrieveAETitle")
        }
        for match in matches
    ]
    return sorted(found, key=lambda one: (one.get(unique, ""), sorted(one.items())))


async def compare(
    bridge: Server, orthanc: Orthanc, identifier: Dataset, unique: str, model: str, syntax: str = EXPLICIT
) -> list[dict[str, str]]:
    pacs = orthanc.peer
    theirs = await asyncio.to_thread(
        find, (pacs.host, pacs.port), identifier, called=pacs.ae_title, model=model, syntax=syntax
    )
    ours = await ask(bridge, identifier, called=pacs.ae_title, model=model, syntax=syntax)
    assert ours.status == theirs.status == 0x0000
    assert told(ours.matches, unique) == told(theirs.matches, unique)
    return told(ours.matches, unique)


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT])
@pytest.mark.parametrize("model", [PATIENT_ROOT, STUDY_ROOT])
async def test_studies(bridge: Server, orthanc: Orthanc, model: str, syntax: str) -> None:
    found = await compare(
        bridge, orthanc, request(**OF_STUDIES, **OF_PATIENTS), "StudyInstanceUID", model, syntax
    )
    assert len(found) > 40


@pytest.mark.parametrize("model", [PATIENT_ROOT, PATIENT_STUDY_ONLY])
async def test_patients(bridge: Server, orthanc: Orthanc, model: str) -> None:
    """Orthanc has no Patient/Study Only, takes all without a Patient ID for one, and has one twice."""
    pacs = orthanc.peer
    identifier = request("PATIENT", **OF_PATIENTS)
    theirs = await asyncio.to_thread(
        find, (pacs.host, pacs.port), identifier, called=pacs.ae_title, model=PATIENT_ROOT
    )
    ours = await ask(bridge, identifier, called=pacs.ae_title, model=model)
    known = [match for match in ours.matches if match.PatientID]
    assert len(known) > 20
    expected = {str(match.PatientID): match for match in theirs.matches if match.PatientID}
    assert told(known, "PatientID") == told(list(expected.values()), "PatientID")
    unknown = {str(match.PatientName) for match in ours.matches if not match.PatientID}
    assert unknown >= {"Anonymized", "^^^^", "Test^S R"}


@pytest.mark.parametrize(
    "keys",
    [
        {"PatientID": "*1*"},
        {"PatientName": "comp*"},
        {"StudyDate": "20000101-20101231"},
        {"StudyDate": "20040101-"},
        {"ModalitiesInStudy": "MR"},
        {"ModalitiesInStudy": ["CT", "US"]},
        {"PatientSex": "F"},
        {"StudyInstanceUID": "1.2.3.4.5.6.7.8.9"},
    ],
    ids=str,
)
async def test_matching_keys(bridge: Server, orthanc: Orthanc, keys: dict[str, object]) -> None:
    found = await compare(
        bridge, orthanc, request(**{**OF_STUDIES, **OF_PATIENTS, **keys}), "StudyInstanceUID", STUDY_ROOT
    )
    assert bool(found) is ("StudyInstanceUID" not in keys), "some match, and not the UID that nobody has"


async def test_series_and_images_of_each_study(bridge: Server, orthanc: Orthanc) -> None:
    pacs = orthanc.peer
    studies = await asyncio.to_thread(
        find, (pacs.host, pacs.port), request(StudyInstanceUID=""), called=pacs.ae_title
    )
    uids = [str(study.StudyInstanceUID) for study in studies.matches][:12]
    images = 0
    for uid in uids:
        of_study = {**OF_SERIES, "StudyInstanceUID": uid}
        series = await compare(
            bridge, orthanc, request("SERIES", **of_study), "SeriesInstanceUID", STUDY_ROOT
        )
        for one in series[:3]:
            of_series = {
                **OF_IMAGES,
                "StudyInstanceUID": uid,
                "SeriesInstanceUID": one["SeriesInstanceUID"],
            }
            found = await compare(
                bridge, orthanc, request("IMAGE", **of_series), "SOPInstanceUID", STUDY_ROOT
            )
            images += len(found)
    assert images > len(uids)
