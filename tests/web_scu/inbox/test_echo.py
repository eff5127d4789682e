"""Whether an inbox answers: with records and S3, or it says what is away."""

from collections.abc import AsyncIterator

import pytest

from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus, subjects
from isthmus.common.messages import Echo, EchoDone
from isthmus.common.threads import Threads
from isthmus.web_scu.inbox.echo import EchoWork


@pytest.mark.usefixtures("served")
async def test_it_answers(bus: Bus, origin_name: str) -> None:
    done = await bus.request(subjects.echo(origin_name), Echo(origin_name), EchoDone)
    assert done.failure is None
    assert done.latency_ms > 0


@pytest.fixture
async def away() -> AsyncIterator[BlobStore]:
    """S3 that is away."""
    threads = Threads("away", 1)
    yield BlobStore("127.0.0.1:1", "", "", "none", threads=threads, deadline=0.2)
    threads.close()


async def test_without_s3_it_says_so(
    bus: Bus, away: BlobStore, origin_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("isthmus.common.blobs.store.HEALTH_SECONDS", 0.3)
    done = await EchoWork(bus, away, origin_name)(Echo(origin_name))
    assert done.failure is not None
    assert done.failure.kind == "StoreUnavailable"


async def test_without_records_it_says_so(bus: Bus, blobs: BlobStore, origin_name: str) -> None:
    await bus.client.close()
    done = await EchoWork(bus, blobs, origin_name)(Echo(origin_name))
    assert done.failure is not None
    assert done.failure.kind == "BusUnavailable"
