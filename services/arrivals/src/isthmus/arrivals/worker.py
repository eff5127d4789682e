"""What the service does for as long as it runs: a loop for each thing, all over the same stream of events."""

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from isthmus.arrivals.audit_export import audit_export
from isthmus.arrivals.forwarding import forwarding
from isthmus.arrivals.instances import Instances
from isthmus.arrivals.leftovers import leftovers
from isthmus.arrivals.retention import retention
from isthmus.arrivals.settings import ArrivalsSettings
from isthmus.arrivals.studies import Studies
from isthmus.arrivals.subscribers import subscribers
from isthmus.arrivals.timers import Timers
from isthmus.arrivals.watch import Watch
from isthmus.arrivals.webhooks import webhooks
from isthmus.common.bus import end_tasks
from isthmus.common.inbox.contents import ContentsStore
from isthmus.common.service import Parts

ACK_WAIT: Final = 10.0
"""Seconds after which what a replica that says nothing had goes to another one."""
REMEMBERED: Final = 150_000
"""Rows of lists that stay decoded: what arrives now is added to them again and again."""
COLLECTIONS: Final = (50_000, 20, 1_000)
"""When the interpreter looks for objects that only refer to each other.

Of events and rows there are many, and none of that kind; by default it looked at all of them so often that it
took a third of the time.
"""


@asynccontextmanager
async def worker(parts: Parts) -> AsyncIterator[None]:
    """Serve until left. An error in a loop ends the process, which is started again.

    When this is entered the consumers of subscribers are there.

    Raises:
        SettingsError: what the settings say of subscribers or webhooks cannot be kept.
        BusUnavailable: NATS is away.
    """
    gc.set_threshold(*COLLECTIONS)
    async with (
        subscribers(parts),
        audit_export(parts),
        webhooks(parts),
        arriving(parts),
        forwarding(parts),
        retention(parts),
        leftovers(parts),
    ):
        yield


@asynccontextmanager
async def arriving(parts: Parts, ack_wait: float = ACK_WAIT) -> AsyncIterator[None]:
    """Make studies of instances, and announce them, until left.

    Args:
        parts: what it stands on.
        ack_wait: seconds after which it takes what a dead replica had.
    """
    settings = ArrivalsSettings.of(parts.settings)
    contents = ContentsStore(parts.blobs, REMEMBERED)
    studies = Studies(parts.bus, parts.blobs, settings, contents)
    loops = (
        Instances(parts.bus, studies, ack_wait),
        Timers(parts.bus, parts.blobs, settings, contents, ack_wait),
        Watch(parts.bus),
    )
    async with asyncio.TaskGroup() as group:
        running = [group.create_task(loop.run()) for loop in loops]
        try:
            yield
        finally:
            await end_tasks(running)
