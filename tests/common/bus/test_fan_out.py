import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Callable, Coroutine

import pytest

from isthmus.common.bus.fan_out import fan_out
from tests.waiting import PATIENCE


async def numbers(count: int) -> AsyncIterator[int]:
    for number in range(count):
        yield number


async def double(number: int) -> int:
    return 2 * number


async def collect(
    items: AsyncIterable[int], work: Callable[[int], Coroutine[None, None, int]], seen: list[int]
) -> None:
    async with asyncio.timeout(PATIENCE), fan_out(items, work, 4) as results:
        async for _, result in results:
            seen.append(result)


async def test_a_failure_of_the_items_comes_after_all_items_before_it() -> None:
    async def failing() -> AsyncIterator[int]:
        yield 1
        yield 2
        raise LookupError

    seen: list[int] = []
    with pytest.raises(LookupError):
        await collect(failing(), double, seen)
    assert seen == [2, 4]


async def test_a_failure_of_work_comes_in_its_place() -> None:
    async def fails_at_1(number: int) -> int:
        if number == 1:
            raise LookupError
        await asyncio.sleep(0)
        return number

    seen: list[int] = []
    with pytest.raises(LookupError):
        await collect(numbers(3), fails_at_1, seen)
    assert seen == [0]


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

    async with fan_out(numbers(9), work, 3) as results:
        assert await anext(results) == (0, 0)
    assert sorted(cancelled) == [1, 2]


async def test_items_that_are_left_early_have_ended_with_the_block() -> None:
    ended = False

    async def endless() -> AsyncIterator[int]:
        nonlocal ended
        try:
            while True:
                yield 1
        finally:
            await asyncio.sleep(0)
            ended = True

    async with fan_out(endless(), double, 3) as results:
        assert await anext(results) == (1, 2)
    assert ended


async def test_no_more_are_begun_than_the_bound_while_the_reader_waits() -> None:
    begun = []

    async def begins(number: int) -> int:
        begun.append(number)
        await asyncio.sleep(0)
        return number

    async with fan_out(numbers(10), begins, 3) as results:
        await anext(results)
        for _ in range(20):
            await asyncio.sleep(0)
        assert begun == [0, 1, 2]


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

    async with fan_out(numbers(6), work, 3) as results:
        assert [pair async for pair in results] == [(number, number) for number in range(6)]
    assert most == 3


async def test_items_may_be_there_already() -> None:
    async with fan_out([3, 1, 2], double, 2) as results:
        assert [pair async for pair in results] == [(3, 6), (1, 2), (2, 4)]


async def test_nothing_gives_nothing() -> None:
    async with fan_out(numbers(0), double, 3) as results:
        assert [pair async for pair in results] == []


async def test_a_result_does_not_wait_for_the_next_item() -> None:
    async def one_and_no_other() -> AsyncIterator[int]:
        yield 1
        await asyncio.Event().wait()

    async with asyncio.timeout(PATIENCE), fan_out(one_and_no_other(), double, 3) as results:
        assert await anext(results) == (1, 2)
