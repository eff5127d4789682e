"""What `/metrics` tells of what waits: studies, and all queues."""

import asyncio
from contextlib import suppress
from functools import partial
from typing import Final

import nats.errors
from nats.js.api import AckPolicy, ConsumerConfig

from isthmus.arrivals import queue_watch
from isthmus.common.bus import Bus, streams
from isthmus.common.errors import BusUnavailable
from isthmus.common.telemetry.instruments import arrivals_waiting

WATCH_SECONDS: Final = 5.0
KNOWN_SECONDS: Final = 3 * WATCH_SECONDS
"""For how long is told what was seen."""
ALL_SET: Final = "dicom.timer.set.>"


class Watch:
    """Looks again and again at what waits, for all replicas."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._jetstream = bus.jetstream

    async def run(self) -> None:
        """Look until cancelled; what NATS does not tell is not told for long."""
        while True:
            for look in (self.look, partial(queue_watch.look, self._bus, lasts=KNOWN_SECONDS)):
                with suppress(nats.errors.Error, TimeoutError, BusUnavailable):
                    await look()
            await asyncio.sleep(WATCH_SECONDS)

    async def look(self) -> None:
        """Look once at what arrives."""
        arrivals_waiting.set(await self._studies(), lasts=KNOWN_SECONDS)

    async def _studies(self) -> int:
        """Count the timers that are set: a consumer of them that takes none says how many there are."""
        configuration = ConsumerConfig(
            filter_subject=ALL_SET, ack_policy=AckPolicy.NONE, inactive_threshold=WATCH_SECONDS
        )
        info = await self._jetstream.add_consumer(streams.TIMERS, configuration)
        await self._jetstream.delete_consumer(streams.TIMERS, info.name)
        return info.num_pending or 0
