"""A bucket among all origins: what no scan has seen is found, and one that cannot tell may have it."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import msgpack
import pytest

from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus
from isthmus.common.bus.buckets import Records
from isthmus.common.bus.streams import INBOXES_BUCKET
from isthmus.common.config import S3Origin, Settings
from isthmus.common.service import Parts
from isthmus.wado.app import routes
from tests.data_sets import make_series
from tests.wado.bodies import parts_of
from tests.wado.serving import client_of
from tests.wado.urls import study_of
from tests.web_scu.bucket.conftest import blobs, bucket, origin, parts, served
from tests.web_scu.bucket.objects import put

__all__ = ["blobs", "bucket", "origin", "parts", "served"]  # fixtures

AS_HELD = {"Accept": 'multipart/related; type="application/dicom"; transfer-syntax=*'}

pytestmark = pytest.mark.usefixtures("served")


@pytest.fixture(scope="session")
def series(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return make_series(tmp_path_factory.mktemp("series"), 2)


@pytest.fixture
def settings(origin: S3Origin) -> Settings:
    """Those of a system with a bucket, and another one that is not there."""
    away = {"name": f"{origin.name}-2", "ae_title": "AWAY", "bucket": "nobody-made-it"}
    return Settings(origins=(origin, origin.model_copy(update=away)))


@pytest.fixture
async def client(parts: Parts) -> AsyncIterator[httpx2.AsyncClient]:
    async with client_of(parts, routes, "/dicomweb/studies/") as http:
        yield http


async def test_what_no_scan_has_seen_yet_is_found(
    client: httpx2.AsyncClient, bucket: BlobStore, origin: S3Origin, series: list[Path]
) -> None:
    await put(bucket, origin, series)
    response = await client.get(study_of(series[0]), headers=AS_HELD)
    assert response.status_code == 200, response.text
    assert sorted(part.content for part in parts_of(response)) == sorted(file.read_bytes() for file in series)


async def test_while_a_bucket_cannot_be_listed_nobody_says_that_no_origin_has_it(
    client: httpx2.AsyncClient,
) -> None:
    response = await client.get("1.2.3.4")
    assert response.status_code == 503
    assert "NoSuchBucket" in response.json()["detail"]


async def test_a_record_that_cannot_be_read_keeps_no_study_of_another_origin_back(
    client: httpx2.AsyncClient, bus: Bus, bucket: BlobStore, origin: S3Origin, series: list[Path]
) -> None:
    await put(bucket, origin, series)
    record = msgpack.packb({"v": 99, "type": "StudyState"})
    await Records(bus, INBOXES_BUCKET).write(record, 0, f"{origin.name}-2", study_of(series[0]))
    response = await client.get(study_of(series[0]), headers=AS_HELD)
    assert response.status_code == 200, response.text
    assert f"{origin.name}-2 is not included" in response.headers["warning"]
    assert len(parts_of(response)) == len(series)
