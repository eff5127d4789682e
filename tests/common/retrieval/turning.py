"""When a worker makes room in S3, told instead of done."""

import asyncio

import pytest

from isthmus.common.retrieval.sweep import Sweeper


@pytest.fixture
def turns(monkeypatch: pytest.MonkeyPatch) -> "asyncio.Queue[float]":
    """The times at which it would, one after the other without a pause."""
    monkeypatch.setattr("isthmus.common.bus.turns.EVERY_SECONDS", 0.01)
    turns: asyncio.Queue[float] = asyncio.Queue()

    async def turn(_: Sweeper, now: float) -> None:
        turns.put_nowait(now)

    monkeypatch.setattr(Sweeper, "turn", turn)
    return turns
