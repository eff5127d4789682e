"""The facts of a job, from its beginning, for whoever waits."""

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from typing import Final, TypeVar

from nats.js.api import RawStreamMsg
from nats.js.errors import NotFoundError

from isthmus.common.bus import streams
from isthmus.common.bus.client import Bus, bus_errors
from isthmus.common.bus.followers import Follower
from isthmus.common.bus.templates import verb
from isthmus.common.errors import BusUnavailable
from isthmus.common.messages import encode
from isthmus.common.telemetry import inject

SILENCE: Final = 5.0
"""Seconds without a fact, after which a reader asks whether the job is still there."""

F = TypeVar("F")


async def publish(bus: Bus, subject: str, fact: object, message_id: str) -> None:
    """Publish a fact, durably; one with the same id within two minutes is the same fact.

    It has no span: there is one for each instance, beside that of S3.

    Raises:
        BusUnavailable: NATS does not take it.
    """
    with bus_errors(verb(subject)):
        await bus.jetstream.publish(subject, encode(fact), headers={**inject(), "Nats-Msg-Id": message_id})


async def last(bus: Bus, subject: str, read_fact: Callable[[bytes], F]) -> F | None:
    """Give the last fact of a job, if it has any."""
    message = await _last_message(bus, subject)
    return None if message is None else read_fact(message.data or b"")


async def _last_message(bus: Bus, subject: str) -> RawStreamMsg | None:
    with bus_errors(verb(subject)):
        try:
            return await bus.jetstream.get_last_msg(streams.PROGRESS, subject)
        except NotFoundError:
            return None


@asynccontextmanager
async def follow(
    bus: Bus, subject: str, read_fact: Callable[[bytes], F], still_there: Callable[[], Awaitable[bool]]
) -> AsyncIterator[AsyncIterator[F]]:
    """Give the facts of a job from its beginning, as they come.

    All who follow a job over one connection share what is received; a slow reader delays nobody. The
    iteration ends when the job is no longer there (`still_there`, asked after each silence) though its end
    was not published; readers stop by themselves at the end of a job.

    Raises:
        BusUnavailable: NATS is away for longer than it may be.
        ContractError: what was published is no fact.
    """
    async with bus.followers.follow(subject, read_fact) as follower:
        with bus_errors(verb(subject)):
            follower.check()
        async with aclosing(_facts(bus, subject, follower, still_there)) as facts:
            yield facts


async def _facts(
    bus: Bus, subject: str, follower: Follower[F], still_there: Callable[[], Awaitable[bool]]
) -> AsyncGenerator[F, None]:
    place = 0
    while True:
        while place < len(follower.facts):
            yield follower.facts[place]
            place += 1
        follower.check()
        if await follower.more_than(place, SILENCE) or await still_there():
            continue
        # Its last facts may be on their way to us, as after a restart of NATS.
        newest = await _last_message(bus, subject)
        if newest is None or (newest.seq or 0) <= follower.sequence:
            if place < len(follower.facts):
                continue
            follower.is_over = True
            return


async def replay(bus: Bus, subject: str, read_fact: Callable[[bytes], F]) -> list[F]:
    """Give the facts that a job has published until now.

    Raises:
        BusUnavailable: NATS does not give them.
        ContractError: what was published is no fact.
    """
    newest = await _last_message(bus, subject)
    if newest is None:
        return []
    async with bus.followers.follow(subject, read_fact) as follower:
        while True:
            with bus_errors(verb(subject)):
                follower.check()
            if follower.sequence >= (newest.seq or 0):
                return list(follower.facts)
            if not await follower.more_than(len(follower.facts), SILENCE):
                raise BusUnavailable("The facts of the job do not come")
