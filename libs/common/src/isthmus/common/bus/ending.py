"""Ending tasks of our own."""

import asyncio
from collections.abc import Iterable
from typing import Final

AGAIN_SECONDS: Final = 1.0


async def end_tasks(tasks: Iterable[asyncio.Task[object]]) -> None:
    """Cancel tasks and wait until they have ended, however they end.

    Once is not enough on Python 3.11: there `asyncio.wait_for`, on which nats-py stands, drops a cancellation
    that comes together with what it waits for.
    """
    tasks = list(tasks)
    running = {task for task in tasks if not task.done()}
    while running:
        for task in running:
            task.cancel()
        _, running = await asyncio.wait(running, timeout=AGAIN_SECONDS)
    for task in tasks:
        if not task.cancelled():
            task.exception()  # seen: asyncio complains of exceptions that nobody asks for
