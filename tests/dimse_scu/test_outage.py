"""What becomes of jobs and searches when a part of ours is away for a moment, or the worker stops."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from isthmus.cli.embedded import EmbeddedNats
from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus, search
from isthmus.common.config.settings import Nats
from isthmus.common.dicom.levels import Level
from isthmus.common.errors import BusUnavailable, OriginError
from isthmus.common.messages import Query, Retrieve
from isthmus.common.retrieval import Catalogue, Retrieval
from tests.dimse_scu.conftest import Serve
from tests.pacs import FaultyPacs, Kind, Operation, Silent, Slow
from tests.waiting import PATIENCE


@pytest.fixture
async def own_nats(tmp_path: Path) -> AsyncIterator[EmbeddedNats]:
    """A server that only this test uses."""
    async with EmbeddedNats(tmp_path / "nats") as server:
        yield server


Connect = Callable[[], Awaitable[Bus]]


@pytest.fixture
async def connect(own_nats: EmbeddedNats) -> AsyncIterator[Connect]:
    settings = Nats(url=own_nats.url, user=own_nats.user, password=own_nats.password)
    connections: list[Bus] = []

    async def one_more() -> Bus:
        connections.append(await Bus.connect(settings, "test"))
        return connections[-1]

    yield one_more
    for connection in connections:
        await connection.close()


async def test_nats_killed_in_a_retrieve_loses_nothing_and_doubles_nothing(
    own_nats: EmbeddedNats,
    connect: Connect,
    blobs: BlobStore,
    pacs: FaultyPacs,
    origin_name: str,
    study: str,
    uids: list[str],
) -> None:
    pacs.behave(Slow(seconds=0.3))
    worker_bus, reader_bus = await connect(), await connect()
    serve = Serve(worker_bus, blobs, pacs)
    async with (
        asyncio.timeout(PATIENCE),
        serve.one(origin_name),
        Retrieval(reader_bus, Catalogue(blobs), 0).read(Retrieve(origin_name, study)) as instances,
    ):
        arrived = [await anext(instances) for _ in range(3)]
        os.kill(own_nats.pid, signal.SIGKILL)
        await own_nats.__aexit__(None, None, None)
        await own_nats.__aenter__()
        arrived += [blob async for blob in instances]
    assert sorted(blob.sop_instance_uid for blob in arrived) == sorted(uids)


async def test_a_search_that_a_stopping_worker_cannot_end_is_a_failure_and_not_a_short_list(
    bus: Bus, serve: Serve, pacs: FaultyPacs, origin_name: str
) -> None:
    pacs.behave(Silent())
    query = Query(origin_name, Level.STUDY, (), (("0020000D",),))
    async with asyncio.timeout(PATIENCE):
        async with serve.one(origin_name, timeout_seconds=300, associations=1):
            # The second one waits for the association that the first one has.
            searching = [asyncio.create_task(_all(bus, query)) for _ in range(2)]
            await asyncio.to_thread(
                pacs.wait_for,
                lambda event: event.kind is Kind.BEGUN and event.operation is Operation.FIND,
            )
        outcomes = await asyncio.gather(*searching, return_exceptions=True)
    assert all(isinstance(outcome, (BusUnavailable, OriginError)) for outcome in outcomes)


async def _all(bus: Bus, query: Query) -> list[object]:
    async with search(bus, query) as matches:
        return [match async for match in matches]
