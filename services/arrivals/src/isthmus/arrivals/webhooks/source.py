"""Where a webhook's events come from: the stream of events, and dead letters that are replayed."""

from contextlib import suppress
from typing import Final

from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy
from nats.js.errors import NotFoundError

from isthmus.common.bus import Bus, streams, subjects
from isthmus.common.bus.client import bus_errors
from isthmus.common.bus.consumer import Consumer
from isthmus.common.bus.webhooks import CONSUMERS, consumer_name
from isthmus.common.config.arriving import Webhook

ACK_WAIT: Final = 10.0
"""Seconds after which an event whose replica says nothing goes to another one."""
MOST_UNTAKEN: Final = 5000
"""Events that were tried and are to be tried again; as many refused ones do not hold up what comes later."""


class Source(Consumer):
    """Where events come from: a durable consumer that all replicas share."""

    async def open(self) -> None:
        """Make the consumer, or bring it up to date with the settings.

        Raises:
            BusUnavailable: NATS does not do it.
        """
        with bus_errors("webhook"):
            await self.make()


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
