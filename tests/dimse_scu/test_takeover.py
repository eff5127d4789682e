"""What becomes of jobs when the process that works on them ends in the middle."""

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from secrets import token_hex

import pytest
from nats.js.errors import NotFoundError

from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus, streams
from isthmus.common.bus.jobs import Lane
from isthmus.common.bus.queues import durable_name
from isthmus.common.bus.stores import run_store
from isthmus.common.config.settings import S3, Nats
from isthmus.common.messages import BlobRef, Retrieve, Store
from isthmus.common.retrieval import Retrieval
from tests.data_sets import identity, raw_dataset
from tests.dimse_scu.processes import Workers, workers_of
from tests.dimse_scu.test_store import spooled
from tests.pacs import FaultyPacs, Operation, Slow
from tests.waiting import PATIENCE

"""Seconds: JetStream gives a dead worker 10, and a new one has to start."""


@pytest.fixture
def workers(nats_settings: Nats, s3_settings: S3, origin_name: str, pacs: FaultyPacs) -> Iterator[Workers]:
    with workers_of(nats_settings, s3_settings, origin_name, pacs) as starter:
        yield starter


async def _until_waiting(bus: Bus, origin: str, count: int, stream: str = streams.JOBS) -> None:
    """Wait until so many workers ask for jobs; a process takes its time to start."""
    name = durable_name(stream, origin, Lane.INTERACTIVE)
    async with asyncio.timeout(PATIENCE):
        while True:
            with suppress(NotFoundError):
                if ((await bus.jetstream.consumer_info(stream, name)).num_waiting or 0) >= count:
                    return
            await asyncio.sleep(0.05)


async def _contents(blobs: BlobStore, arrived: list[BlobRef]) -> list[tuple[str, bytes]]:
    return sorted([(blob.sop_instance_uid, raw_dataset(await blobs.get(blob.key))) for blob in arrived])


def _expected(images: list[Path]) -> list[tuple[str, bytes]]:
    return sorted((identity(image).sop_instance_uid, raw_dataset(image)) for image in images)


async def test_a_worker_killed_in_a_retrieve_is_replaced_and_everything_arrives_once(
    retrieval: Retrieval,
    bus: Bus,
    blobs: BlobStore,
    pacs: FaultyPacs,
    workers: Workers,
    study: str,
    images: list[Path],
) -> None:
    pacs.behave(Slow(seconds=0.2))
    first = workers.start()
    await _until_waiting(bus, workers.name, 1)
    async with asyncio.timeout(PATIENCE), retrieval.read(Retrieve(workers.name, study)) as instances:
        arrived = [await anext(instances) for _ in range(4)]
        workers.start()
        first.kill()
        pacs.behave()
        arrived += [blob async for blob in instances]
    assert await _contents(blobs, arrived) == _expected(images)


async def test_a_worker_that_is_stopped_in_a_retrieve_hands_it_over(
    retrieval: Retrieval,
    bus: Bus,
    blobs: BlobStore,
    pacs: FaultyPacs,
    workers: Workers,
    study: str,
    images: list[Path],
) -> None:
    pacs.behave(Slow(seconds=1))
    first = workers.start()
    await _until_waiting(bus, workers.name, 1)
    async with asyncio.timeout(PATIENCE), retrieval.read(Retrieve(workers.name, study)) as instances:
        arrived = [await anext(instances) for _ in range(2)]
        workers.start()
        await _until_waiting(bus, workers.name, 2)
        assert await asyncio.to_thread(first.stop, 8) == 0
        pacs.behave()
        arrived += [blob async for blob in instances]
    assert await _contents(blobs, arrived) == _expected(images)


async def test_a_worker_killed_in_a_store_is_replaced_and_each_instance_has_one_result(
    bus: Bus, blobs: BlobStore, pacs: FaultyPacs, workers: Workers, images: list[Path]
) -> None:
    first = workers.start()
    await _until_waiting(bus, workers.name, 1, streams.STORES)
    store = Store(workers.name, token_hex(8), await spooled(blobs, images * 10))
    results = []
    async with asyncio.timeout(PATIENCE), run_store(bus, store) as answers:
        async for answer in answers:
            results.append(answer)
            if len(results) == 20:
                workers.start()
                first.kill()
    assert sorted(result.index for result in results) == list(range(len(images) * 10))
    assert {result.status for result in results} == {0}
    sent = len(pacs.operations(Operation.STORE))
    # What was answered and not yet published is sent again; nothing else is.
    assert len(results) <= sent <= len(results) + 2
