"""Up to when everything that came into an inbox is in the lists of its studies.

A study is quiet if nothing came in its quiet time; but what came may still wait in the stream, when there was
much, when arrivals was away, or when a replica has just died with it.
"""

import asyncio
import time
from collections import defaultdict
from typing import Final

from nats.js.errors import NotFoundError

from isthmus.common.bus import Bus, streams, subjects
from isthmus.common.bus.client import bus_errors
from isthmus.common.messages.events import EventType
from isthmus.common.telemetry import get_logger

STUCK_SECONDS: Final = 60.0
"""What could not be read or written for so long holds up nobody else's study any more."""
LOOK_SECONDS: Final = 0.1

log = get_logger(__name__)


class Horizon:
    """Knows of each inbox a time before which nothing waits; what is known once stays true."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._known: dict[str, float] = defaultdict(float)
        self._looking: dict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._now = 0.0
        self._floor: tuple[int, float] | None = None
        """What was acknowledged without a gap when it was last seen to grow, and when that was."""
        self._told = -1
        """Where that stood when the log was last told that it is stuck."""

    async def reached(self, origin: str, at: float, now: float, patience: float) -> bool:
        """Wait, for `patience` seconds at most, until all that came before a time is merged.

        Args:
            origin: the inbox.
            at: the time, in seconds since 1970, by the clock of NATS.
            now: a time by the same clock that is over.
            patience: seconds.

        Raises:
            BusUnavailable: NATS is away.
        """
        self._now = max(self._now, now)
        until = time.monotonic() + patience
        while self._known[origin] < at:
            async with self._looking[origin]:
                if self._known[origin] < at:
                    self._known[origin] = max(self._known[origin], await self._look(origin))
            if self._known[origin] < at:
                if time.monotonic() > until:
                    return False
                await asyncio.sleep(LOOK_SECONDS)
        return True

    async def _look(self, origin: str) -> float:
        now = self._now
        with bus_errors("dicom.events"):
            info = await self._bus.jetstream.consumer_info(streams.EVENTS, streams.ARRIVALS_CONSUMER)
            # Not by `num_pending`: the server counts a message a moment after it has acknowledged it.
            floor = self._past_what_is_stuck(
                info.ack_floor.stream_seq if info.ack_floor else 0,
                info.delivered.stream_seq if info.delivered else 0,
            )
            subject = subjects.event(EventType.INSTANCE_STORED, origin)
            try:
                first = await self._bus.jetstream.get_msg(
                    streams.EVENTS, floor + 1, subject, direct=True, next=True
                )
            except NotFoundError:
                return now
        return first.time.timestamp() if first.time is not None else 0.0

    def _past_what_is_stuck(self, floor: int, delivered: int) -> int:
        if self._floor is None or self._floor[0] != floor:
            self._floor = (floor, time.monotonic())
        elif time.monotonic() - self._floor[1] > STUCK_SECONDS:
            if self._told != floor:
                log.error("events cannot be merged; studies are announced without them")
                self._told = floor
            return delivered
        return floor
