"""Ending tasks of our own."""

import asyncio
from collections.abc import Iterable
from typing import Final

AGAIN_SECONDS: Final = 1.0


async def end_tasks(tasks: Iterable[asyncio.Task[object]]) -> None:
    """Cancel tasks and wait until they have ended, however they end.

    Once is not enough on Python 3.11: there `asyncio.wait_for`, on which nats-py stands, drops a cancellation
    that comes together with what it waits for. Whoever is cancelled while waiting here is so when they have
    ended, and not before: what they use is closed next.
    """
    tasks = list(tasks)
    running = {task for task in tasks if not task.done()}
    interruption: asyncio.CancelledError | None = None
    while running:
        for task in running:
            task.cancel()
        try:
            await asyncio.wait(running, timeout=AGAIN_SECONDS)
        except asyncio.CancelledError as error:
            interruption = error
        running = {task for task in running if not task.done()}
    for task in tasks:
        if not task.cancelled():
            task.exception()  # seen: asyncio complains of exceptions that nobody asks for
    if interruption is not None:
        raise interruption
