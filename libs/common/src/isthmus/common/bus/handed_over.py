"""How often a job was given back: JetStream counts deliveries, whatever came of them."""

from contextlib import suppress
from typing import Final, Self

import nats.errors
from nats.js.errors import NotFoundError

from isthmus.common.bus import streams
from isthmus.common.bus.client import Bus, bus_errors

HAND_OVER_SECONDS: Final = 0.5
"""How long it may take to write it down: what stops is soon killed."""


class HandedOver:
    """Counts the workers that stopped in the middle of a job, and are not to be taken for dead."""

    def __init__(self, bus: Bus, subject: str, count: int) -> None:
        self._bus = bus
        self._subject = subject
        self.count = count

    @classmethod
    async def of(cls, bus: Bus, subject: str, deliveries: int) -> Self:
        """Ask for what the workers before us wrote down.

        Raises:
            BusUnavailable: NATS is away.
        """
        count = 0
        if deliveries > 1:
            with bus_errors("handed over"), suppress(NotFoundError):
                message = await bus.jetstream.get_last_msg(streams.PROGRESS, subject)
                count = int(message.data or b"0")
        return cls(bus, subject, count)

    async def once_more(self) -> None:
        """Write down that we give it back too."""
        # What cannot be written down in time counts as if the worker had died: the job matters more.
        with suppress(nats.errors.Error, TimeoutError):
            count = str(self.count + 1).encode()
            await self._bus.jetstream.publish(self._subject, count, timeout=HAND_OVER_SECONDS)
