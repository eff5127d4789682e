import asyncio

import pytest

from isthmus.common.retrieval.sweep import Sweeper
from tests.dimse_scu.conftest import Serve


async def test_a_worker_makes_room_for_what_comes_as_long_as_it_runs(
    serve: Serve, origin_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("isthmus.common.bus.turns.EVERY_SECONDS", 0.01)
    turns: asyncio.Queue[float] = asyncio.Queue()

    async def turn(_: Sweeper, now: float) -> None:
        turns.put_nowait(now)

    monkeypatch.setattr(Sweeper, "turn", turn)
    async with serve.one(origin_name), asyncio.timeout(20):
        # Whoever was killed before has its turn for ten seconds more.
        assert await turns.get() < await turns.get()
