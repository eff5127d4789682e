"""Submitting retrieve jobs and reading their facts, as they are on the bus."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress

import nats.errors
from nats.aio.msg import Msg

from isthmus.common.bus import Bus, jobs, progress, subjects
from isthmus.common.bus.jobs import Lane, Submitted
from isthmus.common.messages import (
    BlobRef,
    InstanceReady,
    InstancesHeld,
    Retrieve,
    RetrieveDone,
    RetrieveFact,
    retrieve_fact,
)
from tests.waiting import PATIENCE


@asynccontextmanager
async def following(
    bus: Bus,
    wanted: Retrieve,
    lane: Lane = Lane.INTERACTIVE,
    *,
    interested: bool = True,
    until: type[RetrieveFact] = RetrieveDone,
) -> AsyncIterator[AsyncIterator[RetrieveFact]]:
    """Submit a job, and give its facts as they come, to the end.

    Args:
        bus: where.
        wanted: what.
        lane: how urgently.
        interested: whether somebody says that he waits for it.
        until: with the first fact of this kind he says so no more.
    """
    async with asyncio.timeout(PATIENCE):
        submitted = await jobs.submit_retrieve(bus, wanted, lane)
        subject = subjects.progress(wanted.origin, wanted.study, submitted.generation)

        async def still_there() -> bool:
            return True

        async with (
            _interest(bus, submitted, interested=interested) as leave,
            progress.follow(bus, subject, retrieve_fact, still_there) as facts,
        ):
            yield _to_the_end(facts, until, leave)


async def _to_the_end(
    facts: AsyncIterator[RetrieveFact], until: type[RetrieveFact], leave: Callable[[], Awaitable[None]]
) -> AsyncIterator[RetrieveFact]:
    async for fact in facts:
        if isinstance(fact, until):
            await leave()
        yield fact
        if isinstance(fact, RetrieveDone):
            return


@asynccontextmanager
async def _interest(
    bus: Bus, submitted: Submitted, *, interested: bool
) -> AsyncIterator[Callable[[], Awaitable[None]]]:
    """Say that somebody waits, until what this gives is called."""

    async def answer(message: Msg) -> None:
        with suppress(nats.errors.Error):
            await message.respond(b"+")

    wanted = submitted.job
    subject = subjects.interest(wanted.origin, wanted.study, submitted.generation)
    async with AsyncExitStack() as stack:
        if interested:
            subscription = await bus.client.subscribe(subject, cb=answer)
            stack.push_async_callback(subscription.unsubscribe)
        yield stack.aclose


async def facts_of(bus: Bus, wanted: Retrieve, lane: Lane = Lane.INTERACTIVE) -> list[RetrieveFact]:
    """Give all facts of a job."""
    async with following(bus, wanted, lane) as facts:
        return [fact async for fact in facts]


def ready(facts: list[RetrieveFact]) -> list[str]:
    """The SOP Instance UIDs of what was brought."""
    return [fact.blob.sop_instance_uid for fact in facts if isinstance(fact, InstanceReady)]


def held(facts: list[RetrieveFact]) -> list[str]:
    """The SOP Instance UIDs of what was here already."""
    blobs: list[BlobRef] = [blob for fact in facts if isinstance(fact, InstancesHeld) for blob in fact.blobs]
    return [blob.sop_instance_uid for blob in blobs]


def done(facts: list[RetrieveFact]) -> RetrieveDone:
    """The end of the job."""
    last = facts[-1]
    assert isinstance(last, RetrieveDone)
    return last
