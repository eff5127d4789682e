"""Taking messages of a stream in batches, by a durable consumer that all replicas share."""

import asyncio
import json
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Final

import nats.errors
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.js.api import AckPolicy, ConsumerConfig
from nats.js.errors import NotFoundError

from isthmus.common.bus import Bus, end_tasks, streams
from isthmus.common.errors import BusUnavailable
from isthmus.common.telemetry import get_logger

ACK_WAIT: Final = 10.0
IN_PROGRESS: Final = 3.0
PULL_SECONDS: Final = 2.0
"""How long a request for messages stands; NATS forgets it when it restarts, and we do not hear of that."""
AGAIN_SECONDS: Final = 0.25
MOST_UNACKNOWLEDGED: Final = 50_000
"""Over all replicas."""
_NO_MORE: Final = frozenset({"404", "408"})
"""Statuses that end a request: no messages, or none in its time."""

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Consumer:
    """What is taken of a stream."""

    bus: Bus
    stream: str
    name: str
    subjects: tuple[str, ...]
    ack_wait: float = ACK_WAIT
    """Seconds after which what a dead replica had goes to another one."""

    async def batches(self, most: int, linger: float) -> AsyncGenerator[list[Msg], None]:
        """Give batches of messages, as they come; trouble with NATS is waited out.

        Args:
            most: so many messages at most.
            linger: seconds that a batch may grow after its first message.
        """
        pull: _Pull | None = None
        try:
            while True:
                try:
                    if pull is None:
                        pull = await self._open()
                    batch = await pull.batch(most, linger)
                except (nats.errors.Error, TimeoutError, BusUnavailable) as error:
                    log.warning("no messages", stream=self.stream, error=type(error).__name__)
                    await _leave(pull)
                    pull = None
                    await asyncio.sleep(AGAIN_SECONDS)
                else:
                    if batch:
                        yield batch
        finally:
            await _leave(pull)

    async def _open(self) -> "_Pull":
        configuration = ConsumerConfig(
            durable_name=self.name,
            filter_subjects=list(self.subjects),
            ack_policy=AckPolicy.EXPLICIT,
            ack_wait=self.ack_wait,
            max_ack_pending=MOST_UNACKNOWLEDGED,
        )
        try:
            await self.bus.jetstream.add_consumer(self.stream, configuration)
        except NotFoundError:  # the server came back without its streams
            await streams.declare(self.bus.jetstream)
            await self.bus.jetstream.add_consumer(self.stream, configuration)
        return await _Pull.open(self.bus, f"$JS.API.CONSUMER.MSG.NEXT.{self.stream}.{self.name}")


class _Pull:
    """Requests for messages; nats-py's own waits for a whole batch, or asks for one message at a time."""

    def __init__(self, bus: Bus, subject: str) -> None:
        self._bus = bus
        self._subject = subject
        self._inbox = bus.client.new_inbox()
        self._subscription: Subscription | None = None
        self._come: deque[Msg] = deque()
        self._something = asyncio.Event()
        self._ended = False
        self._failure: str | None = None

    @classmethod
    async def open(cls, bus: Bus, subject: str) -> "_Pull":
        pull = cls(bus, subject)
        pull._subscription = await bus.client.subscribe(pull._inbox, cb=pull._take)
        return pull

    async def _take(self, message: Msg) -> None:
        status = (message.headers or {}).get("Status")
        if status is None or message.reply:
            self._come.append(message)
        elif status in _NO_MORE:
            self._ended = True
        else:
            self._failure = status
        self._something.set()

    async def batch(self, most: int, linger: float) -> list[Msg]:
        await self._request(most - len(self._come))
        if not self._come:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._anything(), PULL_SECONDS + 1)
        if self._come and linger:
            await self._grow(most, linger)
        if self._failure is not None and not self._come:
            raise BusUnavailable(f"{self._subject}: {self._failure}")
        return [self._come.popleft() for _ in range(min(most, len(self._come)))]

    async def _request(self, most: int) -> None:
        if most <= 0:
            return
        self._ended = False
        request = {"batch": most, "expires": int(PULL_SECONDS * 1e9)}
        await self._bus.client.publish(self._subject, json.dumps(request).encode(), reply=self._inbox)

    async def _anything(self) -> None:
        while not (self._come or self._ended or self._failure):
            self._something.clear()
            await self._something.wait()

    async def _grow(self, most: int, linger: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(linger):
                while len(self._come) < most and not self._failure:
                    self._something.clear()
                    await self._something.wait()

    async def close(self) -> None:
        """Take the requests back, and give back what came for them."""
        if self._subscription is not None:
            with suppress(nats.errors.Error):
                await self._subscription.unsubscribe()
        await give_back(self._come)


async def _leave(pull: _Pull | None) -> None:
    if pull is not None:
        await pull.close()


async def acknowledge(messages: Collection[Msg]) -> None:
    """Be done with messages; one of which NATS does not hear comes again."""
    with suppress(nats.errors.Error):
        for message in messages:
            await message.ack()


async def give_back(messages: Collection[Msg], delay: float | None = None) -> None:
    """Let messages come again, to this or another replica; at once, or after `delay` seconds."""
    with suppress(nats.errors.Error):
        for message in messages:
            await message.nak(delay)


@asynccontextmanager
async def keeping(messages: Mapping[int, Msg]) -> AsyncIterator[None]:
    """Keep messages from coming again while the block runs; those taken out meanwhile are done."""

    async def keep() -> None:
        while True:
            await asyncio.sleep(IN_PROGRESS)
            with suppress(nats.errors.Error):
                for message in list(messages.values()):
                    await message.in_progress()

    task = asyncio.create_task(keep())
    try:
        yield
    finally:
        await end_tasks([task])
