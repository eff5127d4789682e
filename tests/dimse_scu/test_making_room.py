import asyncio

from tests.common.retrieval.turning import turns
from tests.dimse_scu.conftest import Serve
from tests.waiting import PATIENCE

__all__ = ["turns"]  # a fixture


async def test_a_worker_makes_room_for_what_comes_as_long_as_it_runs(
    serve: Serve, origin_name: str, turns: "asyncio.Queue[float]"
) -> None:
    async with serve.one(origin_name), asyncio.timeout(PATIENCE):
        # Whoever was killed before has its turn for ten seconds more.
        assert await turns.get() < await turns.get()
