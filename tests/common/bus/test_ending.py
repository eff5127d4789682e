import asyncio

import pytest

from isthmus.common.bus import ending
from isthmus.common.bus.ending import end_tasks


async def test_a_task_that_lost_its_cancellation_is_cancelled_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ending, "AGAIN_SECONDS", 0.05)
    lost = 0

    async def stubborn() -> None:
        nonlocal lost
        while lost < 2:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                lost += 1

    task = asyncio.create_task(stubborn())
    await asyncio.sleep(0)
    await end_tasks([task])
    assert task.done()


async def test_how_a_task_ended_is_not_raised() -> None:
    async def fails() -> None:
        raise ValueError

    task = asyncio.create_task(fails())
    await asyncio.wait([task])
    await end_tasks([task])


async def test_who_is_cancelled_while_waiting_waits_to_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ending, "AGAIN_SECONDS", 0.05)
    lost = 0

    async def stubborn() -> None:
        nonlocal lost
        while lost < 3:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                lost += 1

    inner = asyncio.create_task(stubborn())
    outer = asyncio.create_task(end_tasks([inner]))
    await asyncio.sleep(0)
    outer.cancel()
    await asyncio.wait([outer])
    assert inner.done()
    assert outer.cancelled()
