"""NATS and S3 for the tests: one real server of each for the whole run, on free ports of loopback."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import TypeVar
from uuid import uuid4

import pytest

from isthmus.cli.embedded import EmbeddedNats, EmbeddedS3
from isthmus.cli.embedded.base import Embedded
from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus
from isthmus.common.config.settings import S3, Nats
from isthmus.common.retrieval import Catalogue, Retrieval
from isthmus.common.threads import Threads
from tests.waiting import PATIENCE

E = TypeVar("E", bound=Embedded)


CONSUMERS = 100_000
"""Of a stream, at most. Each test has origins of its own, and leaves their durable consumers behind: of the
1,000 that nats-server lets a stream have nothing is left after some hundred tests."""


class RoomyNats(EmbeddedNats):
    """The embedded server, with room for the consumers of a whole run."""

    def prepare(self) -> None:
        super().prepare()
        file, before = self.directory / "nats.conf", "sync_interval: always"
        text = file.read_text()
        assert before in text
        file.write_text(text.replace(before, f"{before}, limits {{ default_max_consumers: {CONSUMERS} }}"))


@contextmanager
def started(server: E) -> Iterator[E]:
    """Run a server for longer than one event loop lives."""
    with asyncio.Runner() as runner:
        runner.run(server.__aenter__())
        try:
            yield server
        finally:
            runner.run(server.__aexit__(None, None, None))


@pytest.fixture(scope="session")
def nats_settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nats]:
    """A running nats-server."""
    with started(RoomyNats(tmp_path_factory.mktemp("nats"))) as server:
        yield Nats(url=server.url, user=server.user, password=server.password)


@pytest.fixture(scope="session")
def s3_settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3]:
    """A running SeaweedFS."""
    with started(EmbeddedS3(tmp_path_factory.mktemp("s3"))) as server:
        yield S3(
            endpoint=server.endpoint,
            bucket=server.bucket,
            access_key=server.access_key,
            secret_key=server.secret_key,
        )


@pytest.fixture
async def bus(nats_settings: Nats) -> AsyncIterator[Bus]:
    """A connection to the bus, which waits for JetStream as long as it takes."""
    connection = await Bus.connect(nats_settings, "test")
    connection.jetstream = connection.client.jetstream(timeout=PATIENCE)
    yield connection
    await connection.close()


@pytest.fixture
async def blobs(s3_settings: S3) -> AsyncIterator[BlobStore]:
    """The blob store, its bucket there."""
    threads = Threads("test-s3", 4)
    store = BlobStore(
        s3_settings.endpoint,
        s3_settings.access_key,
        s3_settings.secret_key,
        s3_settings.bucket,
        threads=threads,
    )
    await store.ensure_bucket()
    yield store
    store.close()
    threads.close()


@pytest.fixture
def retrieval(bus: Bus, blobs: BlobStore) -> Retrieval:
    """The reading side, which asks the origin each time whether it still lists the same."""
    return Retrieval(bus, Catalogue(blobs), 0)


@pytest.fixture
def origin_name() -> str:
    """The name of an origin that no other test uses."""
    return f"origin-{uuid4().hex[:12]}"
