"""Taking messages of a stream by a durable consumer that replicas share; trouble with NATS is waited out."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Collection, Mapping
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Final

import nats.errors
from nats.aio.msg import Msg
from nats.js.api import ConsumerConfig
from nats.js.errors import APIError, NotFoundError

from isthmus.common.bus.client import Bus, bus_errors
from isthmus.common.bus.connection import reason
from isthmus.common.bus.ending import end_tasks
from isthmus.common.bus.measured import count_redelivered
from isthmus.common.bus.pull import Pull, leave
from isthmus.common.errors import BusUnavailable
from isthmus.common.telemetry import get_logger

IN_PROGRESS: Final = 3.0
"""Seconds between two signs of life for a message; every `ack_wait` of ours is several times that."""
AGAIN_SECONDS: Final = 0.25

log = get_logger(__name__)


async def add_once(bus: Bus, stream: str, configuration: ConsumerConfig) -> None:
    """Make a durable consumer, unless another replica has been faster, whose one begins at another moment.

    Raises:
        NotFoundError: there is no such stream.
        APIError: there can be none: the stream has as many as it may.
    """
    try:
        await bus.jetstream.add_consumer(stream, configuration)
    except NotFoundError:
        raise
    except APIError as error:
        try:
            await bus.jetstream.consumer_info(stream, configuration.durable_name or "")
        except NotFoundError:
            raise error from None


@dataclass(frozen=True, slots=True)
class Consumer:
    """What is taken of a stream."""

    bus: Bus
    stream: str
    configuration: ConsumerConfig
    """With a durable name."""

    @property
    def name(self) -> str:
        """Its durable name."""
        return self.configuration.durable_name or ""

    async def make(self) -> None:
        """Make it if it is not there, else give it these filters and limits; it keeps its place.

        Raises:
            nats.errors.Error, TimeoutError: NATS does not do it.
        """
        jetstream, wanted = self.bus.jetstream, self.configuration
        try:
            there = (await jetstream.consumer_info(self.stream, self.name)).config
        except NotFoundError:
            await self._add()
            return
        changed = there.evolve(
            filter_subject=wanted.filter_subject,
            filter_subjects=wanted.filter_subjects,
            ack_wait=wanted.ack_wait or there.ack_wait,
            max_ack_pending=wanted.max_ack_pending or there.max_ack_pending,
        )
        if _settings(changed) != _settings(there):
            await jetstream.add_consumer(self.stream, changed)

    async def _add(self) -> None:
        try:
            await add_once(self.bus, self.stream, self.configuration)
        except NotFoundError:  # the server came back without its streams
            await self.bus.declare()
            await add_once(self.bus, self.stream, self.configuration)

    async def batches(
        self, most: int = 1, linger: float = 0.0, ready: Callable[[], Awaitable[None]] | None = None
    ) -> AsyncGenerator[list[Msg], None]:
        """Give batches of messages, as they come; leaving gives back what was not given.

        Args:
            most: so many messages at most.
            linger: seconds that a batch may grow after its first message.
            ready: waits until messages can be done with; none are asked for before.
        """
        pull: Pull | None = None
        try:
            while True:
                try:
                    if ready is not None:
                        await ready()
                    if pull is None:
                        await self.make()
                        pull = await Pull.open(self.bus, self.stream, self.name, _give_back)
                    batch = await pull.batch(most, linger)
                except (nats.errors.Error, TimeoutError, BusUnavailable) as error:
                    log.warning("no messages", stream=self.stream, error=reason(error))
                    await leave(pull)
                    pull = None
                    await asyncio.sleep(AGAIN_SECONDS)
                else:
                    if batch:
                        count_redelivered(self.stream, self.configuration, batch)
                        yield batch
        finally:
            await leave(pull)

    async def serve(
        self,
        work: Callable[[Msg], Awaitable[None]],
        at_once: int,
        go: asyncio.Event | None = None,
        most: int = 1,
    ) -> None:
        """Have messages worked on, so many at one time, until cancelled; then those at work are cancelled.

        Args:
            work: does all there is to do with a message; an error of it is logged, and the message comes
                again.
            at_once: at most.
            go: nothing is taken while it is not set.
            most: messages that are asked for together; those for which there is no room wait here.
        """
        room = asyncio.Semaphore(at_once)
        # No TaskGroup: it would cancel them once, which may be dropped (see `end_tasks`).
        running: set[asyncio.Task[None]] = set()
        waiting: deque[Msg] = deque()

        async def ready() -> None:
            async with room:
                pass
            if go is not None:
                await go.wait()

        async def one(message: Msg) -> None:
            try:
                await work(message)
            except Exception:  # the edge: it comes again
                log.exception("message not worked on", stream=self.stream, consumer=self.name)
            finally:
                room.release()

        try:
            async with aclosing(self.batches(most, ready=ready)) as batches:
                async for batch in batches:
                    waiting.extend(batch)
                    while waiting:
                        await room.acquire()
                        if go is not None and not go.is_set():  # it was asked for before
                            room.release()
                            break
                        task = asyncio.create_task(one(waiting.popleft()))
                        running.add(task)
                        task.add_done_callback(running.discard)
                    await give_back(waiting)
                    waiting.clear()
        finally:
            await give_back(waiting)
            await end_tasks(running)


async def has_passed(bus: Bus, stream: str, consumer: str, sequence: int) -> bool:
    """Tell whether all that a consumer wants of a stream, up to a sequence, is acknowledged.

    False too where there is no such consumer.

    Raises:
        BusUnavailable: NATS does not tell.
    """
    with bus_errors(stream):
        try:
            info = await bus.jetstream.consumer_info(stream, consumer)
        except NotFoundError:
            return False
        # Not by `num_pending`: the server counts a message a moment after it has acknowledged it.
        floor = info.ack_floor.stream_seq if info.ack_floor is not None else 0
        for subject in _filters(info.config) or (">",):
            try:
                first = await bus.jetstream.get_msg(stream, floor + 1, subject, next=True)
            except NotFoundError:
                continue
            if (first.seq or 0) <= sequence:
                return False
    return True


def _settings(configuration: ConsumerConfig) -> tuple[object, ...]:
    return (_filters(configuration), configuration.ack_wait, configuration.max_ack_pending)


def _filters(configuration: ConsumerConfig) -> frozenset[str]:
    return frozenset(configuration.filter_subjects or filter(None, [configuration.filter_subject]))


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


async def _give_back(message: Msg) -> None:
    await give_back([message])


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


@asynccontextmanager
async def kept(message: Msg) -> AsyncIterator[None]:
    """Have a message to oneself for as long as the block takes."""
    async with keeping({0: message}):
        yield
