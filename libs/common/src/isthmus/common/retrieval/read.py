"""The instances of a study, series or single instance, as they arrive."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager, suppress
from typing import Final

import nats.errors
from nats.aio.msg import Msg

from isthmus.common.bus import jobs, progress, streams, subjects
from isthmus.common.bus.client import Bus, bus_errors
from isthmus.common.bus.jobs import Submitted
from isthmus.common.errors import BusUnavailable, Incomplete, NoSuchObject, NotDelivered, OriginCancelled
from isthmus.common.messages import (
    BlobRef,
    InstanceReady,
    Retrieve,
    RetrieveDone,
    RetrieveFact,
    RetrieveStarted,
    retrieve_fact,
)
from isthmus.common.telemetry import add_link

RESUBMISSIONS: Final = 5
"""How often a job that ended under our hands (cancelled for another's sake, lost) is submitted again."""


@asynccontextmanager
async def read(bus: Bus, wanted: Retrieve) -> AsyncIterator[AsyncIterator[BlobRef]]:
    """Give the blob ref of each wanted instance, each SOP Instance UID once, as they arrive.

    While the block is open, the worker is told that somebody waits; leaving it withdraws that.

    Raises:
        NoSuchObject: the origin has nothing of what is wanted.
        OriginError: the origin failed before anything arrived.
        Incomplete: something arrived, and the rest will not.
        UnavailableError: a part of ours is away.
    """
    async with aclosing(_instances(bus, wanted)) as instances:
        yield instances


async def _instances(bus: Bus, wanted: Retrieve) -> AsyncGenerator[BlobRef, None]:
    seen: set[str] = set()
    lost = 0
    while lost < RESUBMISSIONS:
        submitted = await jobs.submit_retrieve(bus, wanted)
        if not submitted.job.covers(wanted):
            await _await_end(bus, wanted, submitted)
            continue
        async with _interest(bus, wanted, submitted), _facts(bus, wanted, submitted) as facts:
            async for fact in facts:
                if isinstance(fact, InstanceReady) and _is_wanted(fact.blob, wanted):
                    if fact.blob.sop_instance_uid not in seen:
                        seen.add(fact.blob.sop_instance_uid)
                        yield fact.blob
                elif isinstance(fact, RetrieveDone):
                    if fact.failure is not None and fact.failure.kind == OriginCancelled.__name__:
                        break  # given up just before we joined
                    _check_whole(fact, wanted, seen)
                    return
        lost += 1
    raise BusUnavailable("The retrieve job was lost again and again")


def _is_wanted(blob: BlobRef, wanted: Retrieve) -> bool:
    return wanted.series in (None, blob.series_instance_uid) and wanted.instance in (
        None,
        blob.sop_instance_uid,
    )


def _check_whole(done: RetrieveDone, wanted: Retrieve, seen: set[str]) -> None:
    """Raise what stands against calling it whole."""
    if wanted.instance is not None and seen:
        return
    missing = [
        instance.sop_instance_uid
        for instance in done.missing
        if wanted.series in (None, instance.series_instance_uid)
        and wanted.instance in (None, instance.sop_instance_uid)
        and instance.sop_instance_uid not in seen
    ]
    # Those without a name may be of another series, but nobody knows.
    lacking = len(missing) + done.unnamed
    if seen and lacking:
        detail = f"{lacking} of {len(seen) + lacking} instances were not delivered"
        raise Incomplete(detail, origin=wanted.origin, missing=missing)
    if done.failure is not None and (lacking or not seen):
        raise done.failure.error()
    if lacking:
        raise NotDelivered("The origin lists what is wanted, but sent nothing of it", origin=wanted.origin)
    if not seen:
        raise NoSuchObject(f"{wanted.origin!r} has no such object")
    if done.failure is not None and not done.missing:
        # The origin's list could not be had: what came may not be all.
        raise Incomplete(done.failure.detail, origin=wanted.origin, missing=())


async def _await_end(bus: Bus, wanted: Retrieve, submitted: Submitted) -> None:
    """Wait for a narrower job of the same study to end."""
    async with _facts(bus, wanted, submitted) as facts:
        async for fact in facts:
            if isinstance(fact, RetrieveDone):
                return


@asynccontextmanager
async def _facts(
    bus: Bus, wanted: Retrieve, submitted: Submitted
) -> AsyncIterator[AsyncIterator[RetrieveFact]]:
    sequence = jobs.sequence_of(submitted.generation)
    subject = subjects.progress(wanted.origin, wanted.study, submitted.generation)

    async def still_there() -> bool:
        there = await jobs.is_queued(bus, streams.JOBS, sequence)
        if there:
            await jobs.require_worker(bus, streams.JOBS, wanted.origin)
        return there

    async with (
        progress.follow(bus, subject, retrieve_fact, still_there) as facts,
        aclosing(_linked(facts)) as linked,
    ):
        yield linked


async def _linked(facts: AsyncIterator[RetrieveFact]) -> AsyncGenerator[RetrieveFact, None]:
    """Name in the reader's trace the transfer that it waits for, which another's request may have begun."""
    async for fact in facts:
        if isinstance(fact, RetrieveStarted):
            add_link(fact.traceparent)
        yield fact


@asynccontextmanager
async def _interest(bus: Bus, wanted: Retrieve, submitted: Submitted) -> AsyncIterator[None]:
    """Answer the worker that asks whether anyone still waits."""

    async def answer(message: Msg) -> None:
        with suppress(nats.errors.Error):
            await message.respond(b"+")

    subject = subjects.interest(wanted.origin, wanted.study, submitted.generation)
    with bus_errors("dicom.interest"):
        subscription = await bus.client.subscribe(subject, cb=answer)
    try:
        yield
    finally:
        with suppress(nats.errors.Error):
            await subscription.unsubscribe()
