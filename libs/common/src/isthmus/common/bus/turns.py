"""What one of all replicas does at a time, again and again: whoever holds a guard has its turn."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final

from isthmus.common.bus.client import Bus
from isthmus.common.bus.guard import guard_if_free
from isthmus.common.errors import IsthmusError

EVERY_SECONDS: Final = 60.0
SHARE: Final = 0.1
"""At most of the time is spent with it: to look at everything costs S3 11 s for 100,000 instances."""
_NO_ORIGIN: Final = "all"
"""The guards are like those of studies; no origin has this name."""


async def take_turns(
    bus: Bus,
    name: str,
    turn: Callable[[bool], Awaitable[None]],
    failed: Callable[[IsthmusError], None],
    every: float | None = None,
) -> None:
    """Have something done again and again; runs until cancelled.

    Args:
        bus: the bus that the replicas share.
        name: of what is done: those that name the same take turns.
        turn: does it; told whether the turn is ours, or another replica does it.
        failed: told why a turn came to nothing; the next one comes.
        every: seconds; a minute without it.
    """
    every = every or EVERY_SECONDS
    pause = every
    while True:
        try:
            # Held while there is nothing to do too: whoever comes meanwhile leaves it to us.
            async with guard_if_free(bus, _NO_ORIGIN, name) as is_ours:
                await asyncio.sleep(pause)
                began = time.monotonic()
                await turn(is_ours)
                pause = max(every, (time.monotonic() - began) / SHARE)
        except IsthmusError as error:
            failed(error)
            await asyncio.sleep(every)
