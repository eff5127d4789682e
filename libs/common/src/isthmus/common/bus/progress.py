"""The facts of a job, from its beginning, for whoever waits."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager, suppress
from typing import Final, TypeVar

import nats.errors
import nats.js.errors
from nats.js.api import DeliverPolicy
from nats.js.errors import NotFoundError

from isthmus.common.bus import streams
from isthmus.common.bus.client import Bus, bus_errors, verb
from isthmus.common.messages import encode
from isthmus.common.telemetry import inject

SILENCE: Final = 5.0
"""Seconds without a fact, after which a reader asks whether the job is still there."""
HEARTBEAT: Final = 0.5

F = TypeVar("F")


async def publish(bus: Bus, subject: str, fact: object, message_id: str) -> None:
    """Publish a fact, durably; one with the same id within two minutes is the same fact.

    Raises:
        BusUnavailable: NATS does not take it.
    """
    with bus_errors(verb(subject)):
        await bus.jetstream.publish(subject, encode(fact), headers={**inject(), "Nats-Msg-Id": message_id})


async def last(bus: Bus, subject: str, read_fact: Callable[[bytes], F]) -> F | None:
    """Give the last fact of a job, if it has any."""
    with bus_errors(verb(subject)):
        try:
            message = await bus.jetstream.get_last_msg(streams.PROGRESS, subject)
        except NotFoundError:
            return None
    return read_fact(message.data or b"")


@asynccontextmanager
async def follow(
    bus: Bus, subject: str, read_fact: Callable[[bytes], F], still_there: Callable[[], Awaitable[bool]]
) -> AsyncIterator[AsyncIterator[F]]:
    """Give the facts of a job from its beginning, as they come.

    The iteration ends when the job is no longer there (`still_there`, asked after each silence) though its
    end was not published; readers stop by themselves at the end of a job.

    Raises:
        BusUnavailable: NATS is away for longer than it may be.
    """
    with bus_errors(verb(subject)):
        subscription = await bus.jetstream.subscribe(
            subject,
            stream=streams.PROGRESS,
            ordered_consumer=True,
            idle_heartbeat=HEARTBEAT,
            deliver_policy=DeliverPolicy.ALL,
        )

    async def facts() -> AsyncGenerator[F, None]:
        gone = False
        while True:
            with bus_errors(verb(subject)):
                try:
                    message = await subscription.next_msg(timeout=HEARTBEAT if gone else SILENCE)
                except nats.errors.TimeoutError:
                    if gone:
                        return
                    # Its last facts may have come between the silence and the answer: look once more.
                    gone = not await still_there()
                    continue
            yield read_fact(message.data)

    try:
        async with aclosing(facts()) as stream:
            yield stream
    finally:
        with suppress(nats.errors.Error, nats.js.errors.Error, asyncio.TimeoutError):
            await subscription.unsubscribe()


async def replay(bus: Bus, subject: str, read_fact: Callable[[bytes], F]) -> list[F]:
    """Give the facts that a job has published until now."""
    if await last(bus, subject, read_fact) is None:
        return []

    async def is_over() -> bool:
        return False

    async with follow(bus, subject, read_fact, is_over) as facts:
        return [fact async for fact in facts]
