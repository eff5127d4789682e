"""What lies in the bucket of an S3 origin is served from there, in every form, and is never copied."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest

from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus
from isthmus.common.config import S3Origin
from isthmus.common.errors import BlobRefused
from isthmus.common.service import Parts
from isthmus.wado.app import routes
from isthmus.web_scu.bucket.refresh import Refresher
from tests.data_sets import identity, make_series
from tests.wado.bodies import AS_HELD, contents, parts_of, read
from tests.wado.serving import client_of
from tests.wado.urls import instance_of, series_of, study_of
from tests.web_scu.bucket.conftest import blobs, bucket, origin, parts, refresher, served, settings
from tests.web_scu.bucket.objects import put

__all__ = ["blobs", "bucket", "origin", "parts", "refresher", "served", "settings"]  # fixtures

EXPLICIT = "1.2.840.10008.1.2.1"
JPEG_LS = "1.2.840.10008.1.2.4.80"

pytestmark = pytest.mark.usefixtures("served")


@pytest.fixture(scope="session")
def series(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return make_series(tmp_path_factory.mktemp("series"), 3)


@pytest.fixture
async def gateway(parts: Parts) -> AsyncIterator[httpx2.AsyncClient]:
    async with client_of(parts, routes) as http:
        yield http


async def test_it_is_read_byte_for_byte_at_every_level_and_copied_nowhere(
    client: httpx2.AsyncClient,
    blobs: BlobStore,
    bucket: BlobStore,
    origin: S3Origin,
    series: list[Path],
) -> None:
    await put(bucket, origin, series)
    for path, files in ((study_of, series), (series_of, series), (instance_of, series[:1])):
        assert contents(await client.get(path(series[0]), headers=AS_HELD)) == read(files)
    for kind in ("held", "inbox", "spool"):
        assert [one async for one in blobs.list(f"{kind}/{origin.name}/")] == []


@pytest.mark.parametrize(
    ("path", "accept"),
    [
        ("/metadata", "application/dicom+json"),
        ("/frames/1", 'multipart/related; type="application/octet-stream"'),
        ("/rendered", "image/jpeg"),
        ("/thumbnail", "image/jpeg"),
        ("", f'multipart/related; type="application/dicom"; transfer-syntax={JPEG_LS}'),
        ("/frames/1", f'multipart/related; type="image/jls"; transfer-syntax={JPEG_LS}'),
        ("/bulkdata/7FE00010", 'multipart/related; type="application/octet-stream"'),
    ],
)
async def test_every_form_of_an_instance_is_made_of_it(
    client: httpx2.AsyncClient,
    bucket: BlobStore,
    origin: S3Origin,
    series: list[Path],
    path: str,
    accept: str,
) -> None:
    await put(bucket, origin, series)
    response = await client.get(instance_of(series[0]) + path, headers={"Accept": accept})
    assert response.status_code == 200, response.text
    assert len(response.content) > 100


async def test_the_metadata_of_a_series_are_those_of_its_instances(
    client: httpx2.AsyncClient, bucket: BlobStore, origin: S3Origin, series: list[Path]
) -> None:
    await put(bucket, origin, series)
    for _ in range(2):
        metadata = await client.get(f"{series_of(series[0])}/metadata")
        assert len(metadata.json()) == len(series)
    url = json.loads(metadata.text)[0]["7FE00010"]["BulkDataURI"]
    assert (await client.get(url)).status_code == 200


async def test_of_what_others_overwrite_nothing_old_is_served_for_new(
    client: httpx2.AsyncClient,
    bus: Bus,
    bucket: BlobStore,
    origin: S3Origin,
    refresher: Refresher,
    series: list[Path],
) -> None:
    (key, *_) = await put(bucket, origin, series)
    frame = f"{instance_of(series[0])}/frames/1"
    before = await client.get(frame)
    assert before.status_code == 200
    changed = series[0].read_bytes()[:-2] + b"xy"
    await bucket.put(key, changed)
    missed = await client.get(instance_of(series[0]), headers=AS_HELD)
    assert missed.status_code == 503  # not the bytes that the record names
    await refresher.refresh(study_of(series[0]))
    assert contents(await client.get(instance_of(series[0]), headers=AS_HELD)) == [changed]
    now = await client.get(frame)
    assert now.status_code == 200
    assert now.content != before.content
    assert now.headers["etag"] != before.headers["etag"]


async def test_a_study_of_which_an_object_has_gone_is_broken_off_and_then_served_without_it(
    client: httpx2.AsyncClient,
    bucket: BlobStore,
    origin: S3Origin,
    refresher: Refresher,
    series: list[Path],
) -> None:
    keys = await put(bucket, origin, series)
    assert contents(await client.get(study_of(series[0]), headers=AS_HELD)) == read(series)
    await bucket.delete(keys[1])
    with pytest.raises(httpx2.RemoteProtocolError):
        await client.get(study_of(series[0]), headers=AS_HELD)
    await refresher.refresh(study_of(series[0]))
    assert contents(await client.get(study_of(series[0]), headers=AS_HELD)) == read([series[0], series[2]])


async def test_what_is_listed_and_not_given_is_said_to_lack(
    client: httpx2.AsyncClient,
    bucket: BlobStore,
    blobs: BlobStore,
    origin: S3Origin,
    refresher: Refresher,
    series: list[Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await put(bucket, origin, series)
    refused, get = identity(series[1]).sop_instance_uid, blobs.get

    async def refusing(key: str, *, offset: int = 0, length: int | None = None) -> bytes:
        if refused in key:
            raise BlobRefused("get: 403 AccessDenied")
        return await get(key, offset=offset, length=length)

    monkeypatch.setattr(blobs, "get", refusing)
    await refresher.refresh(study_of(series[0]))
    response = await client.get(study_of(series[0]), headers=AS_HELD)
    assert response.status_code == 206
    assert "1 instance is missing" in response.headers["warning"]
    assert sorted(part.content for part in parts_of(response)) == read([series[0], series[2]])
    assert (await client.get(instance_of(series[1]), headers=AS_HELD)).status_code == 502


async def test_it_is_one_of_all_origins(
    gateway: httpx2.AsyncClient, bucket: BlobStore, origin: S3Origin, refresher: Refresher, series: list[Path]
) -> None:
    await put(bucket, origin, series)
    await refresher.refresh(study_of(series[0]))
    url = f"/dicomweb/studies/{study_of(series[0])}"
    assert contents(await gateway.get(url, headers=AS_HELD)) == read(series)
