"""Messages of a durable consumer, as there is room for them; trouble with NATS is waited out."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Final

import nats.errors
from nats.aio.msg import Msg
from nats.js import JetStreamContext
from nats.js.api import ConsumerConfig
from nats.js.errors import APIError, NotFoundError

from isthmus.common.bus import Bus, end_tasks, streams
from isthmus.common.telemetry import get_logger

ACK_WAIT: Final = 30.0
"""Seconds after which a message whose taker says nothing goes to another one."""
IN_PROGRESS: Final = 5.0
PULL_SECONDS: Final = 5.0
"""How long a request for messages stands; NATS forgets it when it restarts, and we do not hear of that."""
AGAIN_SECONDS: Final = 0.5
"""Until the next try when there is no consumer to be had."""

log = get_logger(__name__)


async def pulled(
    bus: Bus, stream: str, consumer: ConsumerConfig, at_once: int = 1
) -> AsyncGenerator[Sequence[Msg], None]:
    """Give what comes, up to so many messages together; leaving takes no more.

    Args:
        bus: the bus.
        stream: where they are.
        consumer: durable; it is made if it is not there, and given these filters if it has others.
        at_once: at most.
    """
    source: JetStreamContext.PullSubscription | None = None
    try:
        while True:
            try:
                if source is None:
                    await _ensure(bus, stream, consumer)
                    source = await bus.jetstream.pull_subscribe_bind(consumer.durable_name, stream)
                messages = await source.fetch(at_once, timeout=PULL_SECONDS)
            except TimeoutError:  # that of nats-py is one, too
                continue
            except nats.errors.Error as error:
                log.warning("nothing pulled", stream=stream, error=type(error).__name__)
                await _leave(source)
                source = None
                await asyncio.sleep(AGAIN_SECONDS)
                continue
            yield messages
    finally:
        await _leave(source)


@asynccontextmanager
async def kept(message: Msg) -> AsyncIterator[None]:
    """Have a message to oneself for as long as the block takes."""

    async def keep() -> None:
        while True:
            await asyncio.sleep(IN_PROGRESS)
            with suppress(nats.errors.Error):
                await message.in_progress()

    keeping = asyncio.create_task(keep())
    try:
        yield
    finally:
        await end_tasks([keeping])


async def _ensure(bus: Bus, stream: str, wanted: ConsumerConfig) -> None:
    try:
        there = await bus.jetstream.consumer_info(stream, wanted.durable_name or "")
    except NotFoundError:
        await _add(bus, stream, wanted)
        return
    if _filters(there.config) != _filters(wanted):
        # Where it begins cannot be changed, and what it has come to is kept.
        changed = there.config.evolve(
            filter_subject=wanted.filter_subject, filter_subjects=wanted.filter_subjects
        )
        await bus.jetstream.add_consumer(stream, changed)


async def _add(bus: Bus, stream: str, wanted: ConsumerConfig) -> None:
    try:
        await bus.jetstream.add_consumer(stream, wanted)
    except NotFoundError:  # the server came back without its streams
        await streams.declare(bus.jetstream)
        await bus.jetstream.add_consumer(stream, wanted)
    except APIError:
        # Another replica was faster, and begins at another moment.
        await bus.jetstream.consumer_info(stream, wanted.durable_name or "")


def _filters(configuration: ConsumerConfig) -> set[str]:
    return set(configuration.filter_subjects or filter(None, [configuration.filter_subject]))


async def _leave(source: JetStreamContext.PullSubscription | None) -> None:
    """Take a request back: a message that came for it would wait for `ACK_WAIT`."""
    if source is not None:
        with suppress(nats.errors.Error):
            await source.unsubscribe()
