"""Who subscribes to the events of an inbox's studies."""

import asyncio
import time
from dataclasses import dataclass
from typing import Any, Self

from nats.aio.msg import Msg
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy

from isthmus.common.bus import Bus, subjects
from isthmus.common.messages.cloud_events import from_json
from isthmus.common.messages.events import CloudEvent, EventType, StudyEvent
from tests.documents.asyncapi import check


@dataclass
class Subscriber:
    """Reads events from the beginning of the stream."""

    reader: JetStreamContext.PullSubscription

    @classmethod
    async def open(cls, bus: Bus, origin: str) -> Self:
        config = ConsumerConfig(
            deliver_policy=DeliverPolicy.ALL,
            ack_policy=AckPolicy.NONE,
            inactive_threshold=300.0,
            filter_subjects=[
                subjects.event(EventType.STUDY_ARRIVED, origin),
                subjects.event(EventType.STUDY_AMENDED, origin),
            ],
        )
        info = await bus.jetstream.add_consumer("EVENTS", config)
        return cls(await bus.jetstream.pull_subscribe_bind(info.name, "EVENTS"))

    async def next(self, timeout: float = 40.0) -> CloudEvent[StudyEvent]:
        """Wait for the next event, which is as the description of events says."""
        (message,) = await self.reader.fetch(1, timeout=timeout)
        return _read(message)

    async def events(self, count: int, timeout: float = 60.0) -> list[CloudEvent[StudyEvent]]:
        """Wait for so many."""
        until = time.monotonic() + timeout
        found: list[CloudEvent[Any]] = []
        while len(found) < count:
            found.append(await self.next(until - time.monotonic()))
        return found

    async def waiting(self) -> int:
        """How many more there are now."""
        return (await self.reader.consumer_info()).num_pending or 0

    async def close(self) -> None:
        await self.reader.unsubscribe()
        await asyncio.sleep(0)


def _read(message: Msg) -> CloudEvent[StudyEvent]:
    check(message.data)
    event: CloudEvent[Any] = from_json(message.data)
    return event
