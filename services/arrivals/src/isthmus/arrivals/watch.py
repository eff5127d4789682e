"""What `/metrics` tells of what waits: events, and studies."""

import asyncio
from contextlib import suppress
from typing import Final

import nats.errors
from nats.js.api import AckPolicy, ConsumerConfig
from nats.js.errors import NotFoundError

from isthmus.common.bus import Bus, streams
from isthmus.common.telemetry import gauge

WATCH_SECONDS: Final = 5.0
ALL_SET: Final = "dicom.timer.set.>"

lag = gauge("isthmus.arrivals.lag", "{event}", "Events that are not merged into their studies")
waiting = gauge("isthmus.arrivals.waiting", "{study}", "Studies whose timers run")


class Watch:
    """Looks again and again at what waits, for all replicas."""

    def __init__(self, bus: Bus) -> None:
        self._jetstream = bus.jetstream
        self._lag = 0
        self._waiting = 0

    async def run(self) -> None:
        """Look until cancelled; what NATS does not tell stays as it was."""
        while True:
            with suppress(nats.errors.Error, TimeoutError):
                await self.look()
            await asyncio.sleep(WATCH_SECONDS)

    async def look(self) -> None:
        """Look once."""
        events, studies = await self._events(), await self._studies()
        lag.add(events - self._lag)
        waiting.add(studies - self._waiting)
        self._lag, self._waiting = events, studies

    async def _events(self) -> int:
        try:
            info = await self._jetstream.consumer_info(streams.EVENTS, streams.ARRIVALS_CONSUMER)
        except NotFoundError:
            return 0
        return (info.num_pending or 0) + (info.num_ack_pending or 0)

    async def _studies(self) -> int:
        """Count the timers that are set: a consumer of them that takes none says how many there are."""
        configuration = ConsumerConfig(
            filter_subject=ALL_SET, ack_policy=AckPolicy.NONE, inactive_threshold=WATCH_SECONDS
        )
        info = await self._jetstream.add_consumer(streams.TIMERS, configuration)
        await self._jetstream.delete_consumer(streams.TIMERS, info.name)
        return info.num_pending or 0
