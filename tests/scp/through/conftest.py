"""A called origin whose store jobs are done as the test says."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from isthmus.arrivals.forwarding.destinations import Pace
from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus, streams, subjects
from isthmus.common.bus.queues import holds
from tests.stow.worker import Employ, Job, employing

QUICK = Pace(away=0.02, away_longest=0.05, refused=0.02, refused_longest=0.05)
SECONDS = 20.0


@pytest.fixture
async def employ(bus: Bus, blobs: BlobStore, origin_name: str) -> AsyncIterator[Employ]:
    """Let a script do the store jobs of the origin that is called PACS."""
    async with employing(bus, blobs, origin_name) as employ:
        yield employ


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
