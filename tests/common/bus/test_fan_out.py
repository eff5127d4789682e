import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest

from isthmus.common.bus.fan_out import fan_out


async def numbers(count: int) -> AsyncIterator[int]:
    for number in range(count):
        yield number


async def test_a_failure_is_raised_in_its_place() -> None:
    async def work(number: int) -> int:
        if number == 2:
            raise ValueError("third")
        return number

    async with aclosing(fan_out(numbers(9), work, 3)) as results:
        assert [await anext(results), await anext(results)] == [0, 1]
        with pytest.raises(ValueError, match="third"):
            await anext(results)


async def test_leaving_early_cancels_what_still_runs() -> None:
    cancelled: list[int] = []
    others_run = asyncio.Event()

    async def work(number: int) -> int:
        if number == 0:
            await others_run.wait()
            return number
        if number == 2:
            others_run.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(number)
            raise
        return number

    async with aclosing(fan_out(numbers(9), work, 3)) as results:
        assert await anext(results) == 0
    assert sorted(cancelled) == [1, 2]


async def test_order_is_that_of_the_items_and_as_many_as_the_width_run() -> None:
    barrier = asyncio.Barrier(3)
    running, most = 0, 0

    async def work(number: int) -> int:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.wait_for(barrier.wait(), 5)
        for _ in range(3 - number % 3):  # later ones are ready earlier
            await asyncio.sleep(0)
        running -= 1
        return number

    assert [result async for result in fan_out(numbers(6), work, 3)] == [0, 1, 2, 3, 4, 5]
    assert most == 3


async def test_nothing_gives_nothing() -> None:
    async def work(number: int) -> int:
        return number

    assert [result async for result in fan_out(numbers(0), work, 3)] == []


async def test_a_result_does_not_wait_for_the_next_item() -> None:
    async def one_and_no_other() -> AsyncIterator[int]:
        yield 0
        await asyncio.Event().wait()

    async def work(number: int) -> int:
        return number

    async with asyncio.timeout(5), aclosing(fan_out(one_and_no_other(), work, 3)) as results:
        assert await anext(results) == 0


async def test_a_failure_of_the_items_is_raised() -> None:
    async def one_and_a_failure() -> AsyncIterator[int]:
        yield 0
        raise ValueError("no more")

    async def work(number: int) -> int:
        return number

    with pytest.raises(ValueError, match="no more"):
        assert [result async for result in fan_out(one_and_a_failure(), work, 3)] == [0]
