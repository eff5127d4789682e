"""One generation of a retrieve job, as a reader follows it."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from contextlib import AsyncExitStack, aclosing, asynccontextmanager, suppress
from typing import Final

import nats.errors
from nats.aio.msg import Msg

from isthmus.common.auth import Right
from isthmus.common.bus import Bus, end_tasks, jobs, progress, streams, subjects
from isthmus.common.bus.client import bus_errors
from isthmus.common.bus.granted import Guarded
from isthmus.common.bus.jobs import Lane, Submitted
from isthmus.common.errors import IsthmusError, OriginCancelled
from isthmus.common.messages import (
    Ahead,
    AheadTaken,
    BlobRef,
    InstanceReady,
    InstancesHeld,
    Retrieve,
    RetrieveDone,
    RetrieveFact,
    RetrieveStarted,
    SeriesDone,
    retrieve_fact,
)
from isthmus.common.retrieval.verdict import is_wanted
from isthmus.common.telemetry import add_link, get_logger

AHEAD_SECONDS: Final = 2.0
"""Patience with a worker that is asked to bring something ahead."""

log = get_logger(__name__)


class Tally:
    """What a generation has named until now, and whether what is wanted is at its end."""

    def __init__(self, wanted: Retrieve, job: Retrieve) -> None:
        self._wanted = wanted
        self._may_end_early = job.series is None and wanted.series is not None
        self._named: set[str] = set()
        self._of_series = 0

    def wanted_of(self, fact: RetrieveFact) -> list[BlobRef]:
        """Take note of a fact, and give the instances in it that are wanted."""
        blobs: Iterable[BlobRef] = ()
        if isinstance(fact, InstanceReady):
            blobs = (fact.blob,)
        elif isinstance(fact, InstancesHeld):
            blobs = fact.blobs
        for blob in blobs:
            if blob.sop_instance_uid not in self._named:
                self._named.add(blob.sop_instance_uid)
                self._of_series += blob.series_instance_uid == self._wanted.series
        return [blob for blob in blobs if is_wanted(blob, self._wanted)]

    def end(self, fact: RetrieveFact) -> RetrieveDone | None:
        """Give the end of what is wanted, if this fact says it.

        Who wants a series need not wait for the rest of its study. Who submitted the very job does: its
        manifest is there when the job ends, and not before.
        """
        if isinstance(fact, RetrieveDone):
            return fact
        if (
            isinstance(fact, SeriesDone)
            and self._may_end_early
            and fact.series == self._wanted.series
            and fact.completed <= self._of_series
            and not is_cancelled(fact)
        ):
            return RetrieveDone(
                fact.completed, fact.missing, fact.failure, fact.unnamed, unlisted=fact.unlisted
            )
        return None

    def is_short_of(self, done: RetrieveDone) -> bool:
        """Tell whether facts were lost: the generation named more instances than were seen here."""
        return len(self._named) < done.completed


def is_cancelled(done: RetrieveDone | SeriesDone) -> bool:
    """Tell whether a job was given up because nobody waited for it."""
    return done.failure is not None and done.failure.kind == OriginCancelled.__name__


@asynccontextmanager
async def facts_of(
    bus: Bus, submitted: Submitted, wanted: Retrieve
) -> AsyncIterator[AsyncIterator[RetrieveFact]]:
    """Give the facts of a job from its beginning.

    While the block is open, its worker is told that somebody waits, if it brings anything of what is wanted;
    and if it brings more than that, it is asked to bring this first.
    """
    sequence = jobs.sequence_of(submitted.generation)
    subject = subjects.progress(wanted.origin, wanted.study, submitted.generation)

    async def still_there() -> bool:
        there = await jobs.is_queued(bus, streams.JOBS, sequence)
        if there:
            await jobs.require_worker(bus, streams.JOBS, wanted.origin, submitted.lane)
        return there

    async with AsyncExitStack() as stack:
        is_for_us = submitted.job.covers(wanted) or wanted.covers(submitted.job)
        if is_for_us and submitted.lane is Lane.INTERACTIVE:  # those of the other lane never ask
            await stack.enter_async_context(_interest(bus, submitted))
        facts = await stack.enter_async_context(progress.follow(bus, subject, retrieve_fact, still_there))
        asking: set[asyncio.Task[None]] = set()
        stack.push_async_callback(lambda: end_tasks(asking))
        yield await stack.enter_async_context(aclosing(_noted(bus, submitted, wanted, facts, asking)))


async def _noted(
    bus: Bus,
    submitted: Submitted,
    wanted: Retrieve,
    facts: AsyncIterator[RetrieveFact],
    asking: set[asyncio.Task[None]],
) -> AsyncGenerator[RetrieveFact, None]:
    """Act on each beginning: a worker that took the job over knows nothing of who asked the one before."""
    is_wider = submitted.job != wanted and submitted.job.covers(wanted)
    async for fact in facts:
        if isinstance(fact, RetrieveStarted):
            # The reader's trace names the transfer that it waits for, which another's request may have begun.
            add_link(fact.traceparent)
            if is_wider:
                asking.add(asyncio.create_task(_bring_ahead(bus, wanted)))
        yield fact


async def _bring_ahead(bus: Bus, wanted: Retrieve) -> None:
    subject = subjects.ahead(wanted.origin, wanted.study)
    ahead, guarded = Ahead(wanted.series or "", wanted.instance), Guarded(wanted.origin, Right.RETRIEVE)
    try:
        await bus.request(subject, ahead, AheadTaken, AHEAD_SECONDS, guarded=guarded)
    except IsthmusError as error:  # it comes all the same, only later
        log.debug("not brought ahead", origin=wanted.origin, reason=error.detail)


@asynccontextmanager
async def _interest(bus: Bus, submitted: Submitted) -> AsyncIterator[None]:
    """Answer the worker that asks whether anyone still waits."""

    async def answer(message: Msg) -> None:
        with suppress(nats.errors.Error):
            await message.respond(b"+")

    subject = subjects.interest(submitted.job.origin, submitted.job.study, submitted.generation)
    with bus_errors("dicom.interest"):
        subscription = await bus.client.subscribe(subject, cb=answer)
    try:
        yield
    finally:
        with suppress(nats.errors.Error):
            await subscription.unsubscribe()
