"""Stopping what a job has under way at its server."""

import asyncio
from collections.abc import Coroutine
from typing import TypeVar

from isthmus.common.bus import end_tasks
from isthmus.common.errors import OriginCancelled

R = TypeVar("R")


class Cancellation:
    """The requests that run for a job, and whether they shall stop."""

    def __init__(self, origin: str) -> None:
        self._origin = origin
        self._running: set[asyncio.Task[object]] = set()
        self.requested = False
        """Whether `request` was called: nothing more is asked for."""

    async def run(self, work: Coroutine[object, object, R]) -> R:
        """Do something that can be stopped.

        Raises:
            OriginCancelled: it was stopped, or not even begun.
        """
        if self.requested:
            work.close()
            raise OriginCancelled("Cancelled before it began", origin=self._origin)
        task = asyncio.create_task(work)
        self._running.add(task)
        try:
            await asyncio.wait({task})
        finally:
            self._running.discard(task)
            await end_tasks([task])  # it runs still where whoever waits for it was cancelled
        if self.requested and task.cancelled():
            raise OriginCancelled("Cancelled while it ran", origin=self._origin)
        return task.result()

    def request(self) -> None:
        """Close all connections on which something comes."""
        self.requested = True
        for task in tuple(self._running):
            task.cancel()
