"""When each study was last read, by whichever replica: what was not read for long makes room first."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Final

import nats.errors
from nats.js.errors import NotFoundError

from isthmus.common.bus import Bus, end_tasks
from isthmus.common.bus.client import bus_errors
from isthmus.common.bus.ordered import read_ordered
from isthmus.common.bus.streams import READS_BUCKET
from isthmus.common.bus.subjects import token
from isthmus.common.messages import decode, encode
from isthmus.common.retrieval.lately import Lately

TOUCH_SECONDS: Final = 60.0
"""A study is written down at most so often, by each process."""
_STREAM: Final = f"KV_{READS_BUCKET}"

Study = tuple[str, str]
"""The name of an origin, and a Study Instance UID."""


@dataclass(frozen=True, slots=True)
class LastRead:
    """A study was read."""

    origin: str
    study: str
    at: float
    """Seconds since 1970."""


class LastReads:
    """The times at which studies were last read."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._touched: Lately[Study] = Lately(TOUCH_SECONDS)

    async def touch(self, origin: str, study: str) -> None:
        """Write down that a study is being read; costs next to nothing, waits for nobody, and never fails."""
        if self._touched.done((origin, study)):
            return
        with suppress(nats.errors.Error):  # one that is lost is made up for a minute later
            read = LastRead(origin, study, time.time())
            await self._bus.client.publish(_subject(origin, study), encode(read))

    @asynccontextmanager
    async def reading(self, origin: str, study: str) -> AsyncIterator[None]:
        """Write it down now, and again and again as long as the block is open."""
        await self.touch(origin, study)
        touching = asyncio.create_task(self._keep_touching(origin, study))
        try:
            yield
        finally:
            await end_tasks([touching])

    async def _keep_touching(self, origin: str, study: str) -> None:
        while True:
            await asyncio.sleep(TOUCH_SECONDS)
            await self.touch(origin, study)

    async def last(self, origin: str, study: str) -> float | None:
        """Give the time of one study, in seconds since 1970; None if it was not read for a month.

        Raises:
            BusUnavailable: NATS does not tell.
        """
        with bus_errors(READS_BUCKET):
            try:
                message = await self._bus.jetstream.get_last_msg(_STREAM, _subject(origin, study))
            except NotFoundError:
                return None
        return decode(message.data or b"", LastRead).at

    async def all(self) -> dict[Study, float]:
        """Give the times, in seconds since 1970; a study that is not among them was not read for a month.

        Raises:
            BusUnavailable: NATS does not tell.
        """
        found: dict[Study, float] = {}
        reading = read_ordered(self._bus, _STREAM, f"$KV.{READS_BUCKET}.>", since=None, follow=False)
        async with aclosing(reading) as messages:
            async for message in messages:
                read = decode(message.data, LastRead)
                found[read.origin, read.study] = read.at
        return found


def _subject(origin: str, study: str) -> str:
    return f"$KV.{READS_BUCKET}.{token(origin)}.{token(study)}"
