"""An origin that nobody here wrote: Orthanc and its DICOMweb plugin."""

from collections.abc import AsyncIterator
from io import BytesIO
from pathlib import Path

import pytest
from pydicom import dcmread

from isthmus.common.errors import HttpOperationFailed
from isthmus.common.webclient import OutgoingPart, WebClient, pages
from tests.common.webclient.web_origin import origin_at
from tests.peers import Orthanc


@pytest.fixture
async def client(orthanc: Orthanc) -> AsyncIterator[WebClient]:
    async with WebClient(origin_at(f"{orthanc.url}/dicom-web", timeout_seconds=30)) as client:
        yield client


async def test_page_by_page_or_at_once_the_same_studies_are_found(client: WebClient) -> None:
    at_once = (await client.get_json("studies")).data_sets
    paged = [one async for page in pages(client, "studies", page=7) for one in page.data_sets]
    assert len(paged) > 20
    assert {str(one["0020000D"]) for one in paged} == {str(one["0020000D"]) for one in at_once}
    assert len(paged) == len(at_once)


async def test_a_search_finds_what_it_asks_for(client: WebClient) -> None:
    found = await client.get_json("studies", [("PatientName", "Compressed*"), ("limit", "50")])
    assert len(found.data_sets) == 4
    assert (await client.get_json("studies", [("PatientName", "Nobody&limit=1#?+%20^é")])).data_sets == []


async def test_of_a_study_all_instances_come(client: WebClient) -> None:
    studies = (await client.get_json("studies", [("includefield", "00201208")])).data_sets
    largest = max(studies, key=lambda one: int(str(one["00201208"]["Value"][0])))
    uid = str(largest["0020000D"]["Value"][0])
    listed = (await client.get_json(f"studies/{uid}/instances")).data_sets
    came = set()
    async with client.stream_parts(f"studies/{uid}") as parts:
        assert parts.http_status == 200
        async for part in parts:
            assert part.headers["content-type"].startswith("application/dicom")
            came.add(str(dcmread(BytesIO(b"".join([data async for data in part]))).SOPInstanceUID))
    assert came == {str(one["00080018"]["Value"][0]) for one in listed}


async def test_of_what_it_does_not_have_it_says_so(client: WebClient) -> None:
    with pytest.raises(HttpOperationFailed, match="404 Not Found"):
        async with client.stream_parts("studies/1.2.3.4.5"):
            pass


async def test_what_is_stored_comes_back_as_it_was(empty_orthanc: Orthanc, corpus: list[Path]) -> None:
    file = next(path for path in corpus if path.name == "CT_small.dcm")
    instance = dcmread(file)

    async def content() -> AsyncIterator[bytes]:
        yield file.read_bytes()

    async def parts() -> AsyncIterator[OutgoingPart]:
        yield OutgoingPart(content(), file.stat().st_size)

    async with WebClient(origin_at(f"{empty_orthanc.url}/dicom-web", timeout_seconds=30)) as client:
        answer = await client.post_parts("studies", parts)
        assert answer.http_status == 200
        assert answer.response is not None
        (referenced,) = answer.response["00081199"]["Value"]
        assert isinstance(referenced, dict)
        assert referenced["00081155"] == {"vr": "UI", "Value": [instance.SOPInstanceUID]}
        async with client.stream_parts(f"studies/{instance.StudyInstanceUID}") as found:
            (back,) = [b"".join([data async for data in part]) async for part in found]
    assert dcmread(BytesIO(back)) == instance
