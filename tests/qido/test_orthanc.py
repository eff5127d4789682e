"""qido and the workers together, in front of an archive that nobody here wrote: by DIMSE, and by DICOMweb."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import httpx2
import pytest

from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus
from isthmus.common.config import DicomwebOrigin, DimseOrigin, Protocol, Settings
from isthmus.common.dicom.json_model import DicomJson
from isthmus.common.service import Parts
from isthmus.common.service.server import application
from isthmus.dimse_scu.worker import worker as dimse_scu
from isthmus.qido import routes
from isthmus.web_scu.worker import worker as web_scu
from tests.peers import Orthanc
from tests.qido.pacs import value_of


@pytest.fixture(params=["dimse", "dicomweb"])
async def archive(
    bus: Bus, blobs: BlobStore, orthanc: Orthanc, origin_name: str, request: pytest.FixtureRequest
) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of Orthanc's searches; URLs are relative to the origin."""
    origin: DimseOrigin | DicomwebOrigin
    if request.param == "dimse":
        origin = DimseOrigin(name=origin_name, ae_title=orthanc.peer.ae_title, port=orthanc.peer.port)
        worker = dimse_scu
    else:
        url = f"{orthanc.url}/dicom-web"
        origin = DicomwebOrigin(name=origin_name, protocol=Protocol.DICOMWEB, ae_title="CLOUD", url=url)
        worker = web_scu
    parts = Parts(Settings(origins=(origin,)), bus, blobs)
    transport = httpx2.ASGITransport(application(routes(parts)))
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(worker(parts))
        yield await stack.enter_async_context(
            httpx2.AsyncClient(
                transport=transport, base_url=f"http://gateway:8080/aets/{origin_name}/", timeout=120
            )
        )


async def found(archive: httpx2.AsyncClient, url: str) -> list[DicomJson]:
    response = await archive.get(url)
    assert response.status_code == 200, response.text
    assert "warning" not in response.headers
    matches: list[DicomJson] = response.json()
    return matches


def uids(matches: list[DicomJson], keyword: str) -> set[object]:
    return {value_of(match, keyword) for match in matches}


async def test_the_archive_answers(archive: httpx2.AsyncClient, origin_name: str) -> None:
    response = await archive.get(f"http://gateway:8080/aets/{origin_name}")
    assert response.status_code == 200
    assert response.json()["ok"] is True


async def test_every_study_series_and_instance_is_found_from_the_top_down(
    archive: httpx2.AsyncClient, orthanc: Orthanc
) -> None:
    listing = orthanc.listing()
    assert uids(await found(archive, "studies"), "StudyInstanceUID") == set(listing)
    for study, series in listing.items():
        matches = await found(archive, f"studies/{study}/series")
        assert uids(matches, "SeriesInstanceUID") == set(series)
        for one, instances in series.items():
            matches = await found(archive, f"studies/{study}/series/{one}/instances")
            assert uids(matches, "SOPInstanceUID") == set(instances)


async def test_every_series_and_instance_is_found_at_once(
    archive: httpx2.AsyncClient, orthanc: Orthanc
) -> None:
    listing = orthanc.listing()
    matches = await found(archive, "series")
    assert uids(matches, "SeriesInstanceUID") == {one for series in listing.values() for one in series}
    matches = await found(archive, "instances")
    assert uids(matches, "SOPInstanceUID") == {
        instance for series in listing.values() for instances in series.values() for instance in instances
    }


async def test_the_modalities_of_a_study_are_those_of_its_series(archive: httpx2.AsyncClient) -> None:
    of_series: dict[object, set[object]] = {}
    for match in await found(archive, "series"):
        modalities = of_series.setdefault(value_of(match, "StudyInstanceUID"), set())
        modalities.add(value_of(match, "Modality"))
    studies = await found(archive, "studies")
    assert studies
    for match in studies:
        of_study = set(match["00080061"].get("Value", []))
        assert of_study == of_series[value_of(match, "StudyInstanceUID")] - {None}
        assert value_of(match, "NumberOfStudyRelatedInstances")


async def test_studies_are_found_by_age_and_modality(archive: httpx2.AsyncClient) -> None:
    everything = await found(archive, "studies?includefield=PatientAge")
    matches = await found(archive, "studies?PatientAge=020-070&Modality=CT")
    assert uids(matches, "StudyInstanceUID") == {
        value_of(match, "StudyInstanceUID")
        for match in everything
        if "CT" in match["00080061"].get("Value", []) and 20 <= age(match) <= 70
    }
    assert 0 < len(matches) < len(everything)


def age(match: DicomJson) -> int:
    """Give the age in years, as it is stated or as the dates tell; -1 where nothing tells."""
    stated = str(value_of(match, "PatientAge") or "") if "00101010" in match else ""
    if stated:
        return int(stated.removesuffix("Y")) if stated.endswith("Y") else 0
    born, seen = value_of(match, "PatientBirthDate"), value_of(match, "StudyDate")
    return (int(str(seen)) - int(str(born))) // 10000 if born and seen else -1


async def test_a_name_is_found_by_the_beginning_of_one_of_its_words(archive: httpx2.AsyncClient) -> None:
    matches = await found(archive, "studies?PatientName=compres&fuzzymatching=true")
    assert len(matches) > 1
    assert uids(await found(archive, "studies?PatientName=compres"), "StudyInstanceUID") == set()
