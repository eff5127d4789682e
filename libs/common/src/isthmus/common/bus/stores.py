"""Store jobs, seen from a face: submit, then read what became of each instance."""

import math
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from secrets import token_hex
from typing import Final

import nats.errors
from nats.js.errors import NotFoundError

from isthmus.common.auth import Right
from isthmus.common.bus import jobs, progress, streams, subjects
from isthmus.common.bus.client import Bus, bus_errors
from isthmus.common.bus.tracing import sending
from isthmus.common.errors import BusUnavailable, NoWorker
from isthmus.common.messages import InstanceStored, Store, StoreDone, decode, encode, store_fact
from isthmus.common.telemetry import inject

INLINE_BYTES: Final = 256 * 1024
"""A longer list of blob refs is not put on the bus, but into a manifest."""
Heard = Callable[[], Awaitable[InstanceStored | None]]
_TIMED_JOB: Final = re.compile(r"spool/([0-9a-f]{8,9})-[0-9a-f]{32}/")


def new_job() -> str:
    """Make a random job id."""
    return token_hex(16)


def new_timed_job(now: float | None = None) -> str:
    """Make a random job id that tells when the job began, so that what is left of it can be swept up."""
    return f"{int(time.time() if now is None else now):x}-{new_job()}"


def began(key: str) -> float:
    """Give the time, in seconds since 1970, when the job of a spooled blob began; infinite if nobody says."""
    job = _TIMED_JOB.match(key)
    return float(int(job[1], 16)) if job else math.inf


def is_inline(store: Store) -> bool:
    """Tell whether a job's list of refs may travel in its message."""
    return len(encode(store)) <= INLINE_BYTES


async def submit_store_once(bus: Bus, store: Store, name: str) -> tuple[Store, int]:
    """Queue a job of one instance, unless one of this name was queued within two minutes and has no result.

    Gives the job that is in the queue now, and its sequence in the stream. One whose result is published is
    over, though its worker has not taken it off the queue yet: who repeats what failed wants it tried again.

    Raises:
        BusUnavailable: NATS does not take it.
    """
    subject, message = subjects.store(store.origin), encode(store)
    with sending(subject, origin=store.origin), bus_errors("dicom.store"):
        headers = inject() | bus.gate.header(Right.STORE, store.origin, message)
        ack = await bus.jetstream.publish(subject, message, headers={**headers, "Nats-Msg-Id": name})
        if ack.duplicate:
            there = await _without_result(bus, ack.seq)
            if there is not None:
                return there, ack.seq
            ack = await bus.jetstream.publish(subject, message, headers=headers)
        return store, ack.seq


async def _without_result(bus: Bus, sequence: int) -> Store | None:
    """Give the store job at this sequence, unless it is done with, or all but."""
    try:
        message = await bus.jetstream.get_msg(streams.STORES, sequence)
    except NotFoundError:
        return None
    there = decode(message.data or b"", Store)
    told = await progress.last(bus, subjects.stored(there.origin, there.job), store_fact)
    return there if told is None else None


@asynccontextmanager
async def hearing(bus: Bus, origin: str, job: str) -> AsyncIterator[Heard]:
    """Listen for the first result of a job that is yet to be submitted, without a consumer of its own.

    What is given waits for it, and gives None where nothing was heard for some seconds: `follow_store` tells
    then whether the job is still there, and what was missed.

    Raises:
        BusUnavailable: NATS is away.
    """
    with bus_errors("dicom.stored"):
        subscription = await bus.client.subscribe(subjects.stored(origin, job))

    async def heard() -> InstanceStored | None:
        try:
            message = await subscription.next_msg(timeout=progress.SILENCE)
        except nats.errors.Error:
            return None
        fact = store_fact(message.data)
        return fact if isinstance(fact, InstanceStored) else None

    try:
        yield heard
    finally:
        with suppress(nats.errors.Error):
            await subscription.unsubscribe()


@asynccontextmanager
async def run_store(bus: Bus, store: Store) -> AsyncIterator[AsyncIterator[InstanceStored]]:
    """Submit a store job and give the result of each of its instances, in any order, each once.

    Leaving the block early leaves the job running. When nobody serves the origin, the job is taken back.

    Raises:
        Forbidden: the worker has refused the job; nothing was sent.
        NoWorker: nobody serves the origin; nothing was sent, nothing will be.
        BusUnavailable: NATS is away, or the job was lost.
    """
    async with follow_store(bus, store, await jobs.submit_store(bus, store)) as results:
        yield results


@asynccontextmanager
async def follow_store(bus: Bus, store: Store, sequence: int) -> AsyncIterator[AsyncIterator[InstanceStored]]:
    """Give the results of a store job that is, or was, in the stream STORES at `sequence`; as `run_store`.

    Raises:
        Forbidden: the worker has refused the job; nothing was sent.
        NoWorker: nobody serves the origin; nothing was sent, nothing will be.
        BusUnavailable: NATS is away, or the job was lost.
    """
    subject = subjects.stored(store.origin, store.job)
    began = False

    async def still_there() -> bool:
        there = await jobs.is_queued(bus, streams.STORES, sequence)
        if there and not began:
            try:
                await jobs.require_worker(bus, streams.STORES, store.origin)
            except NoWorker:
                if await jobs.withdraw(bus, streams.STORES, sequence):
                    raise
        return there

    async with progress.follow(bus, subject, store_fact, still_there) as facts:

        async def results() -> AsyncIterator[InstanceStored]:
            nonlocal began
            seen: set[int] = set()
            async for fact in facts:
                began = True
                if isinstance(fact, StoreDone):
                    if fact.failure is not None:
                        raise fact.failure.error()
                    return
                if fact.index not in seen:
                    seen.add(fact.index)
                    yield fact
            raise BusUnavailable("The store job ended without its last results")

        yield results()
