"""All webhooks of the settings, for as long as the service runs."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from isthmus.arrivals.webhooks.hook import Feeds, Hook
from isthmus.arrivals.webhooks.pace import Pace
from isthmus.arrivals.webhooks.receiver import Receiver
from isthmus.arrivals.webhooks.record import Record
from isthmus.arrivals.webhooks.signature import read_keys
from isthmus.arrivals.webhooks.source import forget_others, sources
from isthmus.common.bus import end_tasks
from isthmus.common.bus.webhooks import WebhookStates
from isthmus.common.config.arriving import Webhook
from isthmus.common.service import Parts
from isthmus.common.telemetry import get_logger

log = get_logger(__name__)

_REAL = Pace()


@asynccontextmanager
async def webhooks(parts: Parts, pace: Pace = _REAL) -> AsyncIterator[None]:
    """Deliver events to all webhooks until left; each for itself, whatever becomes of the others.

    When this is entered their consumers are there: what arrives from then on is delivered.

    Raises:
        SettingsError: the file of a webhook's secret cannot be read, or that of the authorities.
        BusUnavailable: NATS is away.
    """
    configured = parts.settings.arrivals.webhooks
    for webhook in configured:
        await asyncio.to_thread(read_keys, webhook)
    await _forget(parts, frozenset(webhook.name for webhook in configured))
    async with AsyncExitStack() as closing:
        hooks = [await _opened(parts, webhook, pace, closing) for webhook in configured]
        async with asyncio.TaskGroup() as group:
            running = [group.create_task(hook.run()) for hook in hooks]
            try:
                yield
            finally:
                await end_tasks(running)


async def _opened(parts: Parts, webhook: Webhook, pace: Pace, closing: AsyncExitStack) -> Hook:
    record = Record(parts.bus, webhook, pace)
    await record.open()
    events, replayed = sources(parts.bus, webhook)
    await events.open()
    await replayed.open()
    receiver = await closing.enter_async_context(Receiver.of(webhook))
    return Hook(parts.bus, webhook, receiver, record, Feeds(events, replayed), pace)


async def _forget(parts: Parts, names: frozenset[str]) -> None:
    """Forget the webhooks that are in the settings no more: what waited for them, and how they were."""
    states = WebhookStates(parts.bus)
    forgotten = await forget_others(parts.bus, names)
    for name in forgotten | set(await states.names()) - names:
        await states.forget(name)
        log.info("webhook forgotten", webhook=name)
