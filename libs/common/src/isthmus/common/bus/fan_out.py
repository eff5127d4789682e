"""Doing something for each of many, a few at a time, in order."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Coroutine
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


async def fan_out(
    items: AsyncIterable[T], work: Callable[[T], Coroutine[None, None, R]], width: int
) -> AsyncGenerator[R, None]:
    """Give the results of `work`, in the order of the items, while up to `width` of them are worked on.

    What fails is raised in its place. Closing the generator cancels what still runs.
    """
    running: deque[asyncio.Task[R]] = deque()
    try:
        async for item in items:
            running.append(asyncio.create_task(work(item)))
            if len(running) == width:
                yield await running.popleft()
        while running:
            yield await running.popleft()
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
