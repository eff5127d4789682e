"""The messages of a stream in their order, each once, though the connection or the server go away meanwhile.

The ordered consumer of nats-py begins a stream anew when it is made again before its first message, and
cannot be made again at all once it began at a time.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress
from datetime import datetime
from typing import Final

import nats.errors
from nats.aio.msg import Msg
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy

from isthmus.common.bus.client import Bus, bus_errors

SILENCE: Final = 1.0
"""Seconds without a message, after which it is seen whether the server still has our consumer."""
AGAIN_SECONDS: Final = 0.25
_AT_ONCE: Final = 500
"""Messages: a fetch waits for the first one alone."""
_UNUSED: Final = 30.0
"""Seconds after which the server forgets a consumer that nobody reads from."""


async def read_ordered(
    bus: Bus,
    stream: str,
    subject: str,
    *,
    since: datetime | int | None,
    follow: bool,
    headers_only: bool = False,
) -> AsyncGenerator[Msg, None]:
    """Give the messages of a stream, as they come.

    Args:
        bus: the connection.
        stream: its name.
        subject: which of its messages; may have wildcards.
        since: from when on: a time, or a sequence of the stream; None: all that is there when following not,
            else only what is new.
        follow: whether to wait for more, until left; else what is there now is given.
        headers_only: whether what the messages hold is left out.

    Raises:
        BusUnavailable: NATS does not answer, and nothing is followed; following waits for it.
    """
    start = _start(since, follow).evolve(headers_only=headers_only or None)
    reader = _Reader(bus, stream, subject, start)
    try:
        while True:
            try:
                for message in await reader.next():
                    yield message
            except (nats.errors.Error, TimeoutError) as error:
                if not follow:
                    with bus_errors(stream):
                        raise error
                await reader.leave()
                await asyncio.sleep(AGAIN_SECONDS)
            if not follow and reader.waiting == 0:
                return
    finally:
        await reader.close()


def _start(since: datetime | int | None, follow: bool) -> ConsumerConfig:
    if isinstance(since, int):
        return ConsumerConfig(deliver_policy=DeliverPolicy.BY_START_SEQUENCE, opt_start_seq=max(since, 1))
    if since is not None:
        return ConsumerConfig(deliver_policy=DeliverPolicy.BY_START_TIME, opt_start_time=since)
    return ConsumerConfig(deliver_policy=DeliverPolicy.NEW if follow else DeliverPolicy.ALL)


class _Reader:
    """A consumer that is made anew, behind the last message, whenever one may have been missed."""

    def __init__(self, bus: Bus, stream: str, subject: str, start: ConsumerConfig) -> None:
        self._bus = bus
        self._stream = stream
        self._subject = subject
        self._start = start
        self._consumer: JetStreamContext.PullSubscription | None = None
        self._name = ""
        self._delivered = 0
        self.waiting = 0
        """Messages that are there and were not given yet."""

    async def next(self) -> list[Msg]:
        """Give what comes next; nothing after a silence, or when the consumer had to be made anew."""
        if self._consumer is None:
            await self._open()
            return []
        try:
            messages = await self._consumer.fetch(_AT_ONCE, timeout=SILENCE)
        except (nats.errors.TimeoutError, TimeoutError):
            await self._look()
            return []
        return await self._in_order(messages)

    async def leave(self) -> None:
        """Receive no more; the server forgets the consumer after a while."""
        if self._consumer is not None:
            consumer, self._consumer = self._consumer, None
            with suppress(nats.errors.Error, TimeoutError):
                await consumer.unsubscribe()

    async def close(self) -> None:
        """Receive no more, and have the server forget the consumer at once, if it is there."""
        await self.leave()
        if self._name and self._bus.client.is_connected:
            with suppress(nats.errors.Error, TimeoutError):
                await self._bus.jetstream.delete_consumer(self._stream, self._name)

    async def _open(self) -> None:
        configuration = self._start.evolve(
            ack_policy=AckPolicy.NONE,
            filter_subject=self._subject,
            mem_storage=True,
            inactive_threshold=_UNUSED,
        )
        information = await self._bus.jetstream.add_consumer(self._stream, configuration)
        self._name = information.name
        self._consumer = await self._bus.jetstream.pull_subscribe_bind(information.name, self._stream)
        self._delivered = 0
        self.waiting = information.num_pending or 0
        if self._start.deliver_policy == DeliverPolicy.NEW:
            # Made anew before the first message, it would begin behind what was said meanwhile.
            self._behind((information.delivered.stream_seq if information.delivered else 0) or 0)

    async def _look(self) -> None:
        """See whether something was sent that did not reach us."""
        if self._consumer is None:
            return
        information = await self._consumer.consumer_info()
        sent = information.delivered.consumer_seq if information.delivered else 0
        lost = max((sent or 0) - self._delivered, 0)
        self.waiting = (information.num_pending or 0) + lost
        if lost:
            await self.leave()

    async def _in_order(self, messages: list[Msg]) -> list[Msg]:
        """Give those before the first gap; behind a gap the consumer is made anew."""
        given = []
        for message in messages:
            place = message.metadata
            if place.sequence.consumer != self._delivered + 1:
                await self.leave()
                break
            self._delivered += 1
            self.waiting = place.num_pending
            self._behind(place.sequence.stream)
            given.append(message)
        return given

    def _behind(self, sequence: int) -> None:
        self._start = ConsumerConfig(
            deliver_policy=DeliverPolicy.BY_START_SEQUENCE,
            opt_start_seq=sequence + 1,
            headers_only=self._start.headers_only,
        )
