"""Working ahead of a slow reader, with a bound."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine
from contextlib import aclosing, asynccontextmanager
from typing import TypeVar

from isthmus.common.bus import end_tasks

T = TypeVar("T")
R = TypeVar("R")


@asynccontextmanager
async def ahead(
    items: AsyncIterator[T], work: Callable[[T], Coroutine[None, None, R]], depth: int
) -> AsyncIterator[AsyncIterator[tuple[T, R]]]:
    """Give each item with the result of its work, in order, while up to `depth` of them are worked on.

    A failure, of an item's work or of `items`, is raised in its place, after all that came before it.
    Whatever still runs when the block is left is cancelled.
    """
    running: set[asyncio.Task[R]] = set()
    queue: asyncio.Queue[tuple[T, asyncio.Task[R]] | None] = asyncio.Queue()
    room = asyncio.Semaphore(depth)

    async def begin() -> None:
        try:
            await room.acquire()
            async for item in items:
                task = asyncio.create_task(work(item))
                running.add(task)
                queue.put_nowait((item, task))
                await room.acquire()
        finally:
            queue.put_nowait(None)

    async def results() -> AsyncGenerator[tuple[T, R], None]:
        while (begun := await queue.get()) is not None:
            item, task = begun
            result = await task
            running.discard(task)
            yield item, result
            room.release()
        await beginning

    beginning = asyncio.create_task(begin())
    try:
        async with aclosing(results()) as reader:
            yield reader
    finally:
        await end_tasks([beginning])
        await end_tasks(running)
