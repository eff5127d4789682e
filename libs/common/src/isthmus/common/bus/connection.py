"""The client of NATS, where nats-py's own does otherwise than it says."""

import asyncio
from contextlib import suppress
from typing import Final

import nats.errors
from nats.aio.client import Client
from nats.aio.subscription import Subscription

FINISH_TIMEOUT: Final = 3.0
"""Seconds for what is on its way, or being answered, when nothing more is to come."""


class Connection(Client):
    """A connection whose `flush` is answered behind all that was sent, and may be given up."""

    async def flush(self, timeout: int = 10) -> None:
        """Wait until the server has done with what was sent; `Subscription.drain` stands on it.

        Raises:
            nats.errors.Error: the connection is closed, or no answer came in so many seconds.
        """
        # nats-py writes its PING at once, and what was sent before when its flusher comes to that. When the
        # PING is answered the flusher has: another one goes behind it.
        for _ in range(2):
            await super().flush(timeout)

    async def _process_pong(self) -> None:
        """Hear an answer that nobody waits for any more too: nats-py would end its reading at that."""
        if self._pongs and self._pongs[0].done():
            self._pongs[0] = asyncio.get_running_loop().create_future()
        await super()._process_pong()


async def drain(subscription: Subscription) -> None:
    """Take no more than the server has sent already, all of which is taken; at most for `FINISH_TIMEOUT`."""
    with suppress(nats.errors.Error, TimeoutError):
        async with asyncio.timeout(FINISH_TIMEOUT):
            await subscription.drain()  # type: ignore[no-untyped-call]  # nats-py has no annotation
