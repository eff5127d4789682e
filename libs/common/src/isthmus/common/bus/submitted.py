"""A retrieve job in its queue, and what this process knows of those that it submitted."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from weakref import WeakValueDictionary

from isthmus.common.messages import Retrieve


class Lane(StrEnum):
    """The two queues of an origin's retrieve jobs."""

    INTERACTIVE = "interactive"
    """Somebody waits for it."""
    BULK = "bulk"
    """It is for later: what was not asked for yet, and copies of whole studies."""


@dataclass(frozen=True, slots=True, weakref_slot=True)
class Submitted:
    """A retrieve job: the one submitted, or the one that was there."""

    generation: str
    job: Retrieve
    lane: Lane


class Submissions:
    """The jobs that this process submitted or joined, while somebody holds on to them."""

    def __init__(self) -> None:
        self._latest: Final[WeakValueDictionary[tuple[str, str], Submitted]] = WeakValueDictionary()
        self._under_way: Final[dict[tuple[str, str], asyncio.Event]] = {}

    def latest(self, wanted: Retrieve) -> Submitted | None:
        """Give the job of the same study that was submitted last."""
        return self._latest.get((wanted.origin, wanted.study))

    def note(self, submitted: Submitted) -> None:
        """Remember a job for as long as somebody reads it."""
        self._latest[submitted.job.origin, submitted.job.study] = submitted

    async def settled(self, wanted: Retrieve) -> None:
        """Wait for a submission for the same study that is under way, however it ends."""
        under_way = self._under_way.get((wanted.origin, wanted.study))
        if under_way is not None:
            await under_way.wait()

    @asynccontextmanager
    async def under_way(self, wanted: Retrieve) -> AsyncIterator[None]:
        """Let whoever wants the same study wait for what comes out of the block."""
        key = (wanted.origin, wanted.study)
        over = asyncio.Event()
        self._under_way.setdefault(key, over)
        try:
            yield
        finally:
            over.set()
            if self._under_way.get(key) is over:
                del self._under_way[key]
