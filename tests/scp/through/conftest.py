"""A called origin whose store jobs are done as the test says."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from isthmus.arrivals.forwarding.destinations import Pace
from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus, jobs, streams, subjects
from isthmus.common.bus.jobs import Running
from isthmus.common.bus.queues import holds
from isthmus.common.messages import Store
from tests.stow.worker import Job, Script
from tests.wado.serving import ended

QUICK = Pace(away=0.02, away_longest=0.05, refused=0.02, refused_longest=0.05)
SECONDS = 20.0

Employ = Callable[[Script], None]


@pytest.fixture
async def employ(bus: Bus, blobs: BlobStore, origin_name: str) -> AsyncIterator[Employ]:
    """Let a script do the store jobs of the origin that is called PACS."""
    working: list[asyncio.Task[None]] = []

    def employ(script: Script) -> None:
        async def work(running: Running[Store]) -> None:
            await script(Job(bus, blobs, running.job))
            await running.acknowledge()

        working.append(
            asyncio.create_task(jobs.work(bus, streams.STORES, origin_name, Store, work, at_once=4))
        )

    yield employ
    await ended(working)


async def cleared(blobs: BlobStore, *jobs: Job) -> None:
    """Wait until nothing of these jobs is in the spool; S3 tells nobody."""
    prefixes = [f"spool/{job.store.job}/" for job in jobs]
    async with asyncio.timeout(SECONDS):
        while [one.key for prefix in prefixes async for one in blobs.list(prefix)]:  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def nothing_is_on_its_way(bus: Bus, origin: str) -> None:
    """Wait until its queue is empty; NATS tells nobody of an acknowledgement."""
    async with asyncio.timeout(SECONDS):
        while await holds(bus, streams.FORWARDS, subjects.forwards(origin)):  # noqa: ASYNC110
            await asyncio.sleep(0.02)
