"""A bucket of others and its worker, over real NATS and S3: each test has a folder in it."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from isthmus.common.blobs import BlobStore, buckets_of
from isthmus.common.bus import Bus
from isthmus.common.config import S3Origin, Settings
from isthmus.common.config.settings import S3
from isthmus.common.inbox.catalogue import CatalogueWithInboxes
from isthmus.common.inbox.index import Index
from isthmus.common.service import Parts
from isthmus.common.threads import Threads
from isthmus.web_scu.bucket.refresh import Refresher
from isthmus.web_scu.bucket.scan import Scanner
from isthmus.web_scu.worker import worker
from tests.web_scu.bucket.objects import Archive


@pytest.fixture
def origin(s3_settings: S3, origin_name: str) -> S3Origin:
    return S3Origin.model_validate(
        {
            "name": origin_name,
            "protocol": "s3",
            "ae_title": "ARCHIVE",
            "endpoint": s3_settings.endpoint,
            "bucket": "archive",
            "region": "us-east-1",
            "prefix": origin_name,
            "access_key": s3_settings.access_key,
            "secret_key": s3_settings.secret_key,
        }
    )


@pytest.fixture
def settings(origin: S3Origin) -> Settings:
    """Those of a system with one bucket."""
    return Settings(origins=(origin,))


@pytest.fixture
async def bucket(origin: S3Origin) -> AsyncIterator[BlobStore]:
    """As somebody else writes to it."""
    with buckets_of([origin]) as buckets:
        await buckets[origin.name].ensure_bucket()
        yield buckets[origin.name]


@pytest.fixture
async def blobs(s3_settings: S3, bucket: BlobStore, origin_name: str) -> AsyncIterator[BlobStore]:
    """Our own bucket, and that of the origin behind it."""
    s3, threads = s3_settings, Threads("test-s3", 4)
    store = BlobStore(
        s3.endpoint, s3.access_key, s3.secret_key, s3.bucket, threads=threads, others={origin_name: bucket}
    )
    await store.ensure_bucket()
    yield store
    store.close()
    threads.close()


@pytest.fixture
def refresher(bus: Bus, blobs: BlobStore, bucket: BlobStore, origin: S3Origin) -> Refresher:
    return Refresher(bus, blobs, bucket, origin)


@pytest.fixture
async def scanner(
    bus: Bus, bucket: BlobStore, origin: S3Origin, refresher: Refresher
) -> AsyncIterator[Scanner]:
    index = Index(bus)
    async with index.following():
        yield Scanner(bus, bucket, origin, index, refresher)


@pytest.fixture
def catalogue(bus: Bus, blobs: BlobStore, origin_name: str) -> CatalogueWithInboxes:
    """What faces read."""
    return CatalogueWithInboxes(blobs, bus, (), (origin_name,))


@pytest.fixture
def archive(
    origin: S3Origin, bucket: BlobStore, blobs: BlobStore, catalogue: CatalogueWithInboxes
) -> Archive:
    return Archive(origin, bucket, blobs, catalogue)


@pytest.fixture
def parts(bus: Bus, blobs: BlobStore, settings: Settings) -> Parts:
    return Parts(settings, bus, blobs)


@pytest.fixture
async def served(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    """Its worker runs, but scans nothing: a scan might see half of what a test is just putting there."""

    async def never(_: Scanner) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(Scanner, "run", never)
    async with worker(parts):
        yield


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch, blobs: BlobStore) -> list[tuple[str, int | None]]:
    """The ranges that were read, through our own store, by their keys and lengths."""
    noted: list[tuple[str, int | None]] = []
    get = blobs.get

    async def noting(key: str, *, offset: int = 0, length: int | None = None) -> bytes:
        if key.startswith("buckets/"):
            noted.append((key, length))
        return await get(key, offset=offset, length=length)

    monkeypatch.setattr(blobs, "get", noting)
    return noted
