"""The facts of a job, received once for all who read them in this process."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Final, Generic, TypeVar, cast

import nats.errors
from nats.aio.msg import Msg
from nats.js import JetStreamContext
from nats.js.api import DeliverPolicy

from isthmus.common.bus import streams
from isthmus.common.errors import ContractError

HEARTBEAT: Final = 0.5
"""Seconds between the server's signs of life; after two without, the consumer is made anew. With the default
of 5 s readers stay silent for 18 s after a restart of NATS."""

F = TypeVar("F")


class Follower(Generic[F]):
    """One ordered consumer of a job's facts, and the list of them; each reader has its own place in it."""

    def __init__(self, jetstream: JetStreamContext, subject: str, read_fact: Callable[[bytes], F]) -> None:
        self._jetstream = jetstream
        self._subject = subject
        self._read_fact = read_fact
        self._subscription: JetStreamContext.PushSubscription | None = None
        self._starting = asyncio.Lock()
        self._changed = asyncio.Event()
        self._unreadable: bytes | None = None
        self.facts: Final[list[F]] = []
        self.sequence = 0
        """The place of the last fact in the stream."""
        self.failure: nats.errors.Error | TimeoutError | None = None
        """Why there is no consumer."""
        self.is_over = False
        """Whether a reader found that the job is gone."""
        self.readers = 0

    async def start(self) -> None:
        """Receive the facts from the first one on, unless that was begun already; its failure is kept.

        A reader that is cancelled meanwhile leaves the start to the next one.
        """
        async with self._starting:
            if self._subscription is None and self.failure is None:
                try:
                    self._subscription = await self._jetstream.subscribe(
                        self._subject,
                        stream=streams.PROGRESS,
                        cb=self._take,
                        ordered_consumer=True,
                        idle_heartbeat=HEARTBEAT,
                        deliver_policy=DeliverPolicy.ALL,
                    )
                except (nats.errors.Error, TimeoutError) as error:
                    self.failure = error

    async def end(self) -> None:
        """Receive no more; the server drops the consumer when nobody listens."""
        if self._subscription is not None:
            with suppress(nats.errors.Error, TimeoutError):
                await self._subscription.unsubscribe()

    async def _take(self, message: Msg) -> None:
        if self._unreadable is not None:
            return
        try:
            self.facts.append(self._read_fact(message.data))
        except ContractError:
            self._unreadable = message.data
        self.sequence = message.metadata.sequence.stream
        self._changed.set()
        self._changed = asyncio.Event()

    def check(self) -> None:
        """Raise what stands against going on, for each reader anew.

        Raises:
            nats.errors.Error, TimeoutError: there is no consumer.
            ContractError: after these facts comes what is none.
        """
        if self.failure is not None:
            raise self.failure
        if self._unreadable is not None:
            self._read_fact(self._unreadable)

    async def more_than(self, count: int, seconds: float) -> bool:
        """Wait for news beyond so many facts; False after `seconds` without."""
        if len(self.facts) > count or self._unreadable is not None:
            return True
        try:
            async with asyncio.timeout(seconds):
                await self._changed.wait()
        except TimeoutError:
            return False
        return True


class Followers:
    """The jobs that are followed over a connection."""

    def __init__(self, jetstream: JetStreamContext) -> None:
        self._jetstream = jetstream
        self._by_subject: Final[dict[str, Follower[object]]] = {}

    def __len__(self) -> int:
        return len(self._by_subject)

    def get(self, subject: str) -> Follower[object] | None:
        """Give the one of a subject, if it is followed."""
        return self._by_subject.get(subject)

    @asynccontextmanager
    async def follow(self, subject: str, read_fact: Callable[[bytes], F]) -> AsyncIterator[Follower[F]]:
        """Join those who follow a subject, or begin; the last one who leaves ends it."""
        there = self._by_subject.get(subject)
        if there is None or there.failure is not None:
            there = self._by_subject[subject] = Follower[object](self._jetstream, subject, read_fact)
        there.readers += 1
        try:
            await there.start()
            # All who follow a subject read the same kind of facts.
            yield cast(Follower[F], there)
        finally:
            there.readers -= 1
            if there.readers == 0:
                if self._by_subject.get(subject) is there:
                    del self._by_subject[subject]
                await there.end()
