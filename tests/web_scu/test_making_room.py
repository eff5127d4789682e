import asyncio

from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus
from isthmus.common.config import Settings
from isthmus.common.service import Parts
from isthmus.web_scu.worker import worker
from tests.common.retrieval.turning import turns
from tests.waiting import PATIENCE

__all__ = ["turns"]  # a fixture


async def test_a_worker_makes_room_for_what_comes_as_long_as_it_runs(
    bus: Bus, blobs: BlobStore, turns: "asyncio.Queue[float]"
) -> None:
    async with worker(Parts(Settings(), bus, blobs)), asyncio.timeout(PATIENCE):
        # Whoever was killed before has its turn for ten seconds more.
        assert await turns.get() < await turns.get()
