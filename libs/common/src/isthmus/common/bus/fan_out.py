"""Doing something for each of many, a few at a time, in order: ahead of a slow reader, and with a bound."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Coroutine, Iterable
from contextlib import aclosing, asynccontextmanager
from typing import TypeVar

from isthmus.common.bus.ending import end_tasks

T = TypeVar("T")
R = TypeVar("R")


@asynccontextmanager
async def fan_out(
    items: AsyncIterable[T] | Iterable[T], work: Callable[[T], Coroutine[None, None, R]], width: int
) -> AsyncIterator[AsyncIterator[tuple[T, R]]]:
    """Give each item with the result of its work, in order, while up to `width` of them are worked on.

    A result does not wait for the next item. A failure, of an item's work or of `items`, is raised in its
    place, after all that came before it. Whatever still runs when the block is left is cancelled, and `items`
    is closed where it is a generator.
    """
    running: set[asyncio.Task[R]] = set()
    queue: asyncio.Queue[tuple[T, asyncio.Task[R]] | None] = asyncio.Queue()
    room = asyncio.Semaphore(width)

    async def begin() -> None:
        try:
            await room.acquire()
            async with _source(items) as source:
                async for item in source:
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


@asynccontextmanager
async def _source(items: AsyncIterable[T] | Iterable[T]) -> AsyncIterator[AsyncIterable[T]]:
    """Give the items; a generator of them ends with the block, and not when it is garbage."""
    source = items if isinstance(items, AsyncIterable) else _each(items)
    try:
        yield source
    finally:
        if isinstance(source, AsyncGenerator):
            await source.aclose()


async def _each(items: Iterable[T]) -> AsyncGenerator[T, None]:
    for item in items:
        yield item
