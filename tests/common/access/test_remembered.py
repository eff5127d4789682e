"""What is asked once for all, and how much of it stays."""

import asyncio

import pytest

from isthmus.common.access.remembered import Remembered
from tests.waiting import PATIENCE


class Asked:
    """Answers with twice the number, when it may."""

    def __init__(self) -> None:
        self.numbers: list[int] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.begun = asyncio.Event()
        self.cancelled = asyncio.Event()
        self.fails = False

    async def __call__(self, number: int) -> int:
        self.numbers.append(number)
        self.begun.set()
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        if self.fails:
            raise LookupError(number)
        return 2 * number


async def test_the_oldest_go_where_there_are_too_many() -> None:
    asked = Asked()
    remembered = Remembered(asked, 60, most=2)
    for number in (1, 2, 1, 3, 1, 2):
        assert await remembered.get(number) == 2 * number
    assert asked.numbers == [1, 2, 3, 2]
    remembered.note(9, 18)
    assert remembered.known(9) == 18


async def test_nothing_is_older_than_it_may_be() -> None:
    remembered = Remembered(Asked(), 0, most=2)
    assert await remembered.get(1) == 2
    assert remembered.known(1) is None


async def test_a_failure_is_told_to_all_who_wait_and_not_remembered() -> None:
    asked = Asked()
    asked.fails = True
    remembered = Remembered(asked, 60, most=2)
    told = await asyncio.gather(*(remembered.get(1) for _ in range(3)), return_exceptions=True)
    assert [type(one) for one in told] == [LookupError] * 3
    assert asked.numbers == [1]
    asked.fails = False
    assert await remembered.get(1) == 2


async def test_nobody_is_asked_when_nobody_waits() -> None:
    asked = Asked()
    asked.gate.clear()
    remembered = Remembered(asked, 60, most=2)
    waiting = [asyncio.create_task(remembered.get(1)) for _ in range(2)]
    await asked.begun.wait()
    waiting[0].cancel()
    await asyncio.wait({waiting[0]})
    assert not asked.cancelled.is_set()
    waiting[1].cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting[1]
    await asyncio.wait_for(asked.cancelled.wait(), PATIENCE)
    asked.gate.set()
    assert await remembered.get(1) == 2
    assert asked.numbers == [1, 1]
