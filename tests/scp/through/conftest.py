"""A called origin whose store jobs are done as the test says."""

from collections.abc import AsyncIterator

import pytest

from isthmus.arrivals.forwarding.destinations import Pace
from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus, streams, subjects
from isthmus.common.bus.queues import holds
from tests.stow.worker import Employ, Job, employing
from tests.waiting import until

QUICK = Pace(away=0.02, away_longest=0.05, refused=0.02, refused_longest=0.05)


@pytest.fixture
async def employ(bus: Bus, blobs: BlobStore, origin_name: str) -> AsyncIterator[Employ]:
    """Let a script do the store jobs of the origin that is called PACS."""
    async with employing(bus, blobs, origin_name) as employ:
        yield employ


async def cleared(blobs: BlobStore, *jobs: Job) -> None:
    """Wait until nothing of these jobs is in the spool."""

    async def left() -> list[str]:
        return [one.key for job in jobs async for one in blobs.list(f"spool/{job.store.job}/")]

    await until(left, lambda keys: not keys)


async def nothing_is_on_its_way(bus: Bus, origin: str) -> None:
    """Wait until its queue is empty."""
    await until(lambda: holds(bus, streams.FORWARDS, subjects.forwards(origin)), lambda it_does: not it_does)
