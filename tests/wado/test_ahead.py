import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine

import pytest

from isthmus.common.derived.ahead import ahead


async def _numbers(count: int) -> AsyncIterator[int]:
    for number in range(count):
        yield number


async def test_a_failure_of_the_items_comes_after_all_items_before_it() -> None:
    async def failing() -> AsyncIterator[int]:
        yield 1
        yield 2
        raise LookupError

    seen: list[int] = []
    with pytest.raises(LookupError):
        await _collect(failing(), _double, seen)
    assert seen == [2, 4]


async def test_a_failure_of_work_comes_in_its_place() -> None:
    async def fails_at_1(number: int) -> int:
        if number == 1:
            raise LookupError
        await asyncio.sleep(0)
        return number

    seen: list[int] = []
    with pytest.raises(LookupError):
        await _collect(_numbers(3), fails_at_1, seen)
    assert seen == [0]


async def test_leaving_early_cancels_what_runs() -> None:
    cancelled = []

    async def hangs_from_1_on(number: int) -> int:
        try:
            if number > 0:
                await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(number)
            raise
        return number

    async with ahead(_numbers(10), hangs_from_1_on, 3) as results:
        await anext(results)
        await asyncio.sleep(0)
    assert sorted(cancelled) == [1, 2]


async def test_no_more_are_begun_than_the_bound_while_the_reader_waits() -> None:
    begun = []

    async def begins(number: int) -> int:
        begun.append(number)
        await asyncio.sleep(0)
        return number

    async with ahead(_numbers(10), begins, 3) as results:
        await anext(results)
        for _ in range(20):
            await asyncio.sleep(0)
        assert begun == [0, 1, 2]


async def test_results_come_in_order_whatever_finishes_first() -> None:
    second_is_done = asyncio.Event()

    async def first_waits_for_second(number: int) -> int:
        if number == 0:
            await second_is_done.wait()
        if number == 1:
            second_is_done.set()
        return number

    async with ahead(_numbers(3), first_waits_for_second, 3) as results:
        assert [pair async for pair in results] == [(0, 0), (1, 1), (2, 2)]


async def _collect(
    items: AsyncIterator[int], work: Callable[[int], Coroutine[None, None, int]], seen: list[int]
) -> None:
    async with ahead(items, work, 4) as results:
        async for _, result in results:
            seen.append(result)


async def _double(number: int) -> int:
    return 2 * number
