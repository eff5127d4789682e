"""Where a webhook's events come from: the stream of events, and dead letters that are replayed."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import nats.errors
from nats.aio.msg import Msg
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy
from nats.js.errors import NotFoundError

from isthmus.common.bus import Bus, streams, subjects
from isthmus.common.bus.client import bus_errors
from isthmus.common.bus.webhooks import CONSUMERS, consumer_name
from isthmus.common.config.arriving import Webhook
from isthmus.common.telemetry import get_logger

ACK_WAIT: Final = 10.0
"""Seconds after which an event whose replica says nothing goes to another one."""
MOST_UNTAKEN: Final = 5000
"""Events that were tried and are to be tried again; as many refused ones do not hold up what comes later."""
PULL_SECONDS: Final = 2.0
AGAIN_SECONDS: Final = 0.25

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Source:
    """A durable consumer that all replicas share."""

    bus: Bus
    stream: str
    configuration: ConsumerConfig

    async def open(self) -> None:
        """Make the consumer, or bring it up to date with the settings.

        Raises:
            BusUnavailable: NATS does not do it.
        """
        with bus_errors("webhook"):
            await self._consume()

    async def waiting(self) -> int:
        """How many events were not taken yet.

        Raises:
            BusUnavailable: NATS does not tell.
        """
        with bus_errors("webhook"):
            name = self.configuration.durable_name or ""
            info = await self.bus.jetstream.consumer_info(self.stream, name)
        return (info.num_pending or 0) + (info.num_ack_pending or 0)

    async def messages(self, room: asyncio.Semaphore, go: asyncio.Event) -> AsyncGenerator[Msg, None]:
        """Give events while `go` is set, one for each place in `room`; trouble with NATS is waited out."""
        consumer: JetStreamContext.PullSubscription | None = None
        try:
            while True:
                await room.acquire()
                while True:
                    try:
                        await go.wait()
                        if consumer is None:
                            consumer = await self._consume()
                        (message,) = await consumer.fetch(1, timeout=PULL_SECONDS)
                        break
                    except nats.errors.TimeoutError:
                        continue
                    except nats.errors.Error as error:
                        log.warning("no events for a webhook", error=type(error).__name__)
                        await _leave(consumer)
                        consumer = None
                        await asyncio.sleep(AGAIN_SECONDS)
                yield message
        finally:
            await _leave(consumer)

    async def _consume(self) -> JetStreamContext.PullSubscription:
        try:
            await self.bus.jetstream.add_consumer(self.stream, self.configuration)
        except NotFoundError:  # the server came back without its streams
            await streams.declare(self.bus.jetstream)
            await self.bus.jetstream.add_consumer(self.stream, self.configuration)
        return await self.bus.jetstream.pull_subscribe_bind(self.configuration.durable_name, self.stream)


def sources(bus: Bus, webhook: Webhook) -> tuple[Source, Source]:
    """Give what a webhook's events come from: of a new webhook, those from now on; and those replayed."""
    common = ConsumerConfig(
        durable_name=consumer_name(webhook.name),
        ack_policy=AckPolicy.EXPLICIT,
        ack_wait=ACK_WAIT,
        max_ack_pending=MOST_UNTAKEN,
    )
    events = common.evolve(deliver_policy=DeliverPolicy.NEW, filter_subjects=_subjects(webhook))
    replayed = common.evolve(filter_subject=subjects.webhook(webhook.name))
    return Source(bus, streams.EVENTS, events), Source(bus, streams.FORWARDS, replayed)


async def forget_others(bus: Bus, webhooks: frozenset[str]) -> set[str]:
    """Delete the consumers of webhooks that are in the settings no more, and give their names.

    Raises:
        BusUnavailable: NATS does not do it.
    """
    known = {consumer_name(name) for name in webhooks}
    forgotten = set()
    with bus_errors("webhook"):
        for stream in (streams.EVENTS, streams.FORWARDS):
            for name in await _consumers(bus, stream):
                if name.startswith(CONSUMERS) and name not in known:
                    with suppress(NotFoundError):  # another replica was quicker
                        await bus.jetstream.delete_consumer(stream, name)
                    forgotten.add(name.removeprefix(CONSUMERS))
    return forgotten


async def _consumers(bus: Bus, stream: str) -> list[str]:
    names: list[str] = []
    while page := await bus.jetstream.consumers_info(stream, len(names)):
        names += [consumer.name for consumer in page]
    return names


def _subjects(webhook: Webhook) -> list[str]:
    if webhook.origins is None:
        return [subjects.events(kind) for kind in sorted(webhook.types)]
    return [
        subjects.event(kind, origin) for kind in sorted(webhook.types) for origin in sorted(webhook.origins)
    ]


async def _leave(consumer: JetStreamContext.PullSubscription | None) -> None:
    """Take a request for events back: one that came for it would wait for `ACK_WAIT`."""
    if consumer is not None:
        with suppress(nats.errors.Error):
            await consumer.unsubscribe()
