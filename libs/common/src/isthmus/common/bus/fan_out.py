"""Doing something for each of many, a few at a time, in order."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Coroutine
from typing import TypeVar

from isthmus.common.bus.ending import end_tasks

T = TypeVar("T")
R = TypeVar("R")


class _End:
    """There are no more items."""


async def fan_out(
    items: AsyncIterable[T], work: Callable[[T], Coroutine[None, None, R]], width: int
) -> AsyncGenerator[R, None]:
    """Give the results of `work`, in the order of the items, while up to `width` of them are worked on.

    A result does not wait for the next item. What fails is raised in its place. Closing the generator cancels
    what still runs.
    """
    left = aiter(items)
    coming: asyncio.Task[T | _End] | None = None
    running: deque[asyncio.Task[R]] = deque()
    has_ended = False
    try:
        while running or not has_ended:
            if coming is None and not has_ended and len(running) < width:
                coming = asyncio.create_task(_next(left))
            if coming is not None and coming.done():
                item = coming.result()
                coming = None
                if isinstance(item, _End):
                    has_ended = True
                else:
                    running.append(asyncio.create_task(work(item)))
            elif running and (coming is None or running[0].done()):
                yield await running.popleft()
            else:
                both = [task for task in (coming, *list(running)[:1]) if task is not None]
                await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
    finally:
        await end_tasks([*running, *([coming] if coming is not None else [])])


async def _next(items: AsyncIterator[T]) -> T | _End:
    return await anext(items, _End())
