import json
import time
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import httpx2
import pydicom
import pytest
from pydicom.dataset import Dataset

from isthmus.common.blobs import BlobStore
from isthmus.common.dicom.json_model import DicomJson
from isthmus.common.dicom.xml_model import parse_native_model
from isthmus.common.messages import BlobRef, MissingInstance
from isthmus.common.retrieval import Catalogue, HeldInstance, HeldSeries, Manifest
from isthmus.wado.answers import metadata_xml
from tests.data_sets import identity
from tests.wado.bodies import broken_body, parts_of, split
from tests.wado.conftest import Employ
from tests.wado.urls import instance_of, series_of, study_of
from tests.wado.worker import Job, put

JSON = {"Accept": "application/dicom+json"}


@pytest.fixture
async def unreadable(blobs: BlobStore, origin_name: str, series: list[Path]) -> BlobRef:
    """A blob that is none of what its ref says."""
    good = await put(blobs, origin_name, series[2].read_bytes())
    key = f"{good.key}.unreadable"
    content = b"This is no DICOM object. " * 100
    await blobs.put(key, content)
    return BlobRef(
        good.bucket,
        key,
        len(content),
        good.study_instance_uid,
        good.series_instance_uid,
        good.sop_instance_uid,
        good.sop_class_uid,
        good.transfer_syntax_uid,
    )


async def test_another_media_type_is_406_and_lists_what_there_is(client: httpx2.AsyncClient) -> None:
    response = await client.get("1.2/metadata", headers={"Accept": "application/dicom+xml"})
    assert response.status_code == 406
    assert response.json()["available"] == [
        "application/dicom+json",
        'multipart/related; type="application/dicom+xml"',
        "application/json",
    ]


async def test_an_instance_that_cannot_be_read_is_502(
    client: httpx2.AsyncClient, employ: Employ, series: list[Path], unreadable: BlobRef
) -> None:
    async def delivers(job: Job) -> None:
        await job.announce(unreadable)
        await job.deliver(*series[:2])
        await job.end()

    employ(delivers)
    response = await client.get(f"{study_of(series[0])}/metadata", headers=JSON)
    assert response.status_code == 502


async def test_a_later_instance_that_cannot_be_read_breaks_the_body_off(
    client: httpx2.AsyncClient, employ: Employ, series: list[Path], unreadable: BlobRef
) -> None:
    async def delivers(job: Job) -> None:
        await job.deliver(*series[:2])
        await job.announce(unreadable)
        await job.end()

    employ(delivers)
    _, body = await broken_body(client, f"{study_of(series[0])}/metadata", JSON)
    assert len(json.loads(body + b"]")) == 2


async def test_a_missing_instance_breaks_the_body_off(
    client: httpx2.AsyncClient, employ: Employ, series: list[Path]
) -> None:
    async def delivers_two_of_three(job: Job) -> None:
        await job.deliver(*series[:2])
        who = identity(series[2])
        await job.end(MissingInstance(who.series_instance_uid, who.sop_instance_uid))

    employ(delivers_two_of_three)
    _, body = await broken_body(client, f"{study_of(series[0])}/metadata", JSON)
    assert len(json.loads(body + b"]")) == 2


@pytest.mark.parametrize("accept", ["application/dicom+json", "application/json", "*/*"])
@pytest.mark.parametrize("path_of", [study_of, series_of], ids=["study", "series"])
async def test_every_instance_is_described(
    client: httpx2.AsyncClient,
    employ: Employ,
    series: list[Path],
    path_of: Callable[[Path], str],
    accept: str,
) -> None:
    async def delivers(job: Job) -> None:
        await job.deliver(*series)
        await job.end()

    employ(delivers)
    response = await client.get(f"{path_of(series[0])}/metadata", headers={"Accept": accept})
    assert response.status_code == 200
    assert response.headers["Content-Type"] == accept.replace("*/*", "application/dicom+json")
    assert [one["00080018"]["Value"] for one in response.json()] == [
        [identity(file).sop_instance_uid] for file in series
    ]


async def test_an_instance_is_an_array_of_one(
    client: httpx2.AsyncClient, employ: Employ, series: list[Path]
) -> None:
    async def delivers(job: Job) -> None:
        await job.deliver(*series)
        await job.end()

    employ(delivers)
    response = await client.get(f"{instance_of(series[1])}/metadata", headers=JSON)
    (instance,) = response.json()
    assert instance["00080018"] == {"vr": "UI", "Value": [identity(series[1]).sop_instance_uid]}
    assert instance["00100010"]["Value"] == [{"Alphabetic": "Implanted^Müller 0"}]


async def test_pixel_data_is_a_url_by_which_the_client_reaches_us(
    client: httpx2.AsyncClient, employ: Employ, series: list[Path], origin_name: str
) -> None:
    async def delivers(job: Job) -> None:
        await job.deliver(series[0])
        await job.end()

    employ(delivers)
    by_proxy = {**JSON, "Host": "pacs.example:8443", "X-Forwarded-Proto": "https"}
    response = await client.get(f"{instance_of(series[0])}/metadata", headers=by_proxy)
    base = f"https://pacs.example:8443/aets/{origin_name}/studies"
    assert response.json()[0]["7FE00010"] == {
        "vr": "OW",
        "BulkDataURI": f"{base}/{instance_of(series[0])}/bulkdata/7FE00010",
    }


async def test_xml_says_the_same_as_json(
    client: httpx2.AsyncClient, employ: Employ, series: list[Path]
) -> None:
    async def deliver(job: Job) -> None:
        await job.deliver(*series)
        await job.end()

    employ(deliver)
    in_json = (await client.get(f"{study_of(series[0])}/metadata")).json()
    xml = {"Accept": 'multipart/related; type="application/dicom+xml"'}
    response = await client.get(f"{study_of(series[0])}/metadata", headers=xml)
    assert response.headers["Content-Type"].startswith('multipart/related; type="application/dicom+xml"')
    parts = parts_of(response)
    assert [part.headers["Content-Type"] for part in parts] == ["application/dicom+xml"] * len(series)
    read = sorted((parse_native_model(part.content) for part in parts), key=instance_number)
    in_json.sort(key=instance_number)
    for found, expected in zip(read, in_json, strict=True):
        for tag in ("00080018", "00100010", "00280010", "7FE00010"):
            assert found[tag] == expected[tag]


def instance_number(attributes: DicomJson) -> int:
    return int(str(attributes["00200013"]["Value"][0]))


def enhanced(file: Path, frames: int) -> bytes:
    """The image, as if it said so much of many frames that its JSON is of more than a megabyte."""
    ds = pydicom.dcmread(file)
    group = Dataset()
    group.FrameComments = "of one frame " * 70
    ds.PerFrameFunctionalGroupsSequence = [group] * frames
    written = BytesIO()
    ds.save_as(written)
    return written.getvalue()


async def test_what_says_much_of_many_frames_is_described_in_json_and_xml_all_the_same(
    client: httpx2.AsyncClient, employ: Employ, series: list[Path]
) -> None:
    image = enhanced(series[0], 1300)

    async def delivers(job: Job) -> None:
        await job.deliver(image)
        await job.end()

    employ(delivers)
    (described,) = (await client.get(f"{study_of(series[0])}/metadata", headers=JSON)).json()
    assert len(json.dumps(described)) > metadata_xml.LARGE_BYTES
    comments = [group["00209158"] for group in described["52009230"]["Value"]]
    assert comments == [{"vr": "LT", "Value": [("of one frame " * 70).rstrip()]}] * 1300
    xml = {"Accept": 'multipart/related; type="application/dicom+xml"'}
    (part,) = parts_of(await client.get(f"{study_of(series[0])}/metadata", headers=xml))
    assert parse_native_model(part.content)["52009230"] == described["52009230"]


async def test_metadata_in_xml_are_broken_off_where_an_instance_is_missing(
    client: httpx2.AsyncClient, employ: Employ, series: list[Path]
) -> None:
    async def deliver(job: Job) -> None:
        await job.deliver(series[0])
        who = identity(series[1])
        await job.end(MissingInstance(who.series_instance_uid, who.sop_instance_uid))

    employ(deliver)
    xml = {"Accept": 'multipart/related; type="application/dicom+xml"'}
    content_type, body = await broken_body(client, f"{study_of(series[0])}/metadata", xml)
    parts, rest = split(content_type, body)
    assert not parts
    assert b"</NativeDicomModel>" in rest
    assert not rest.endswith(b"--\r\n")


async def test_metadata_of_what_is_held_have_a_tag_until_that_changes(
    client: httpx2.AsyncClient, blobs: BlobStore, origin_name: str, series: list[Path]
) -> None:
    held = [await put(blobs, origin_name, file.read_bytes()) for file in series]

    async def hold(count: int) -> None:
        now = time.time()
        there = tuple(HeldInstance(blob, now) for blob in held[:count])
        one = HeldSeries(held[0].series_instance_uid, there, count, now)
        await Catalogue(blobs).save(Manifest(origin_name, held[0].study_instance_uid, (one,), now))

    await hold(2)
    url = f"{study_of(series[0])}/metadata"
    first = await client.get(url)
    known = {"If-None-Match": first.headers["ETag"]}
    assert (await client.get(url, headers=known)).status_code == 304
    xml = {"Accept": 'multipart/related; type="application/dicom+xml"'}
    assert (await client.get(url, headers={**known, **xml})).status_code == 200
    await hold(3)
    assert len((await client.get(url, headers=known)).json()) == 3
