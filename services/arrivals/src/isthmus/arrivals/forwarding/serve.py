"""The loops of forwarding: events to destinations, and each destination's queue to its origin."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from isthmus.arrivals.forwarding.destinations import USUAL, Destination, Pace
from isthmus.arrivals.forwarding.leftovers import bury_leftovers
from isthmus.arrivals.forwarding.routing import Router
from isthmus.common.bus import end_tasks
from isthmus.common.service import Parts


@asynccontextmanager
async def forwarding(parts: Parts, pace: Pace = USUAL) -> AsyncIterator[None]:
    """Forward until left.

    Every origin has its loop, also those that no rule names any more: something may be left in their queues,
    and dead letters may be put back there. What waits for an origin that is in the settings no more becomes
    dead letters.

    Raises:
        BusUnavailable: NATS is away.
    """
    await bury_leftovers(parts.bus, {origin.name for origin in parts.settings.origins})
    destinations = [Destination(parts, origin.name, pace) for origin in parts.settings.origins]
    loops = [loop for destination in destinations for loop in destination.loops()]
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(loop) for loop in (Router(parts).run(), *loops)]
        try:
            yield
        finally:
            await end_tasks(tasks)
