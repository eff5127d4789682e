"""Whether a receiver may be asked now."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from isthmus.arrivals.webhooks.pace import Pace

LEFT_ALONE_AFTER: Final = 3
"""Failures in a row, of a receiver that does not answer, until it is left alone for a while."""


class Gate:
    """Lets attempts through: all of them to a receiver that works, one at a time to another one.

    So many events may wait for a receiver that is away, and each of them is tried one day; but never do they
    all wait for an answer at the same time, nor for the name server.
    """

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._alone = asyncio.Lock()
        self._works = False
        self._failures = 0
        self._not_before = 0.0

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait until the receiver may be asked; what is heard of it is to be told before this is left."""
        if not self._works:
            async with self._alone:
                if not self._works:
                    await asyncio.sleep(self._not_before - asyncio.get_running_loop().time())
                    yield
                    return
        yield

    @property
    def seconds(self) -> float:
        """For how long nobody is let through."""
        return max(0.0, self._not_before - asyncio.get_running_loop().time())

    @property
    def is_silent(self) -> bool:
        """Whether it did not answer the last time that we asked; of whom we never asked, nobody knows."""
        return self._failures > 0

    def answered(self) -> None:
        """It works: let all through."""
        self._works = True
        self._failures = 0
        self._not_before = 0.0

    def silent(self) -> None:
        """It did not answer, or said that it cannot now: let one at a time through, and after some none."""
        self._works = False
        self._failures += 1
        if self._failures >= LEFT_ALONE_AFTER:
            self._close(self._pace.receiver(self._failures - LEFT_ALONE_AFTER + 1))

    def asked_to_wait(self, seconds: float) -> None:
        """It said when it wants to be asked again."""
        self._works = False
        self._failures += 1
        self._close(seconds)

    def _close(self, seconds: float) -> None:
        until = asyncio.get_running_loop().time() + seconds
        self._not_before = max(self._not_before, until)
