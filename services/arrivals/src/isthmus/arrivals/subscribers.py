"""The consumers of subscribers: there before the service is, and made again where they were lost."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final

from isthmus.common.bus import Bus, end_tasks
from isthmus.common.bus.subscribers import Subscription, keep, subscriptions
from isthmus.common.bus.turns import take_turns
from isthmus.common.errors import IsthmusError
from isthmus.common.service import Parts
from isthmus.common.telemetry import get_logger

EVERY_SECONDS: Final = 10.0

log = get_logger(__name__)


@asynccontextmanager
async def subscribers(parts: Parts) -> AsyncIterator[None]:
    """Keep the consumers of all subscribers until left; they are there when this is entered.

    Raises:
        SettingsError: what the settings say of them cannot be kept.
        BusUnavailable: NATS is away.
    """
    wanted = subscriptions(parts.settings)
    await keep(parts.bus, wanted)
    running = asyncio.create_task(_run(parts.bus, wanted))
    try:
        yield
    finally:
        await end_tasks([running])


async def _run(bus: Bus, wanted: Sequence[Subscription]) -> None:
    async def turn(is_ours: bool) -> None:
        if is_ours:
            await keep(bus, wanted)

    def failed(error: IsthmusError) -> None:
        log.warning("consumers of subscribers not seen to", error=type(error).__name__, detail=error.detail)

    await take_turns(bus, "subscribers", turn, failed, EVERY_SECONDS)
