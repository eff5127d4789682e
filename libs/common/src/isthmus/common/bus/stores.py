"""Store jobs, seen from a face: submit, then read what became of each instance."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from secrets import token_hex
from typing import Final

from isthmus.common.bus import jobs, progress, streams, subjects
from isthmus.common.bus.client import Bus
from isthmus.common.errors import BusUnavailable, NoWorker
from isthmus.common.messages import InstanceStored, Store, StoreDone, encode, store_fact

INLINE_BYTES: Final = 256 * 1024
"""A longer list of blob refs is not put on the bus, but into a manifest."""


def new_job() -> str:
    """Make a random job id."""
    return token_hex(16)


def is_inline(store: Store) -> bool:
    """Tell whether a job's list of refs may travel in its message."""
    return len(encode(store)) <= INLINE_BYTES


@asynccontextmanager
async def run_store(bus: Bus, store: Store) -> AsyncIterator[AsyncIterator[InstanceStored]]:
    """Submit a store job and give the result of each of its instances, in any order, each once.

    Leaving the block early leaves the job running. When nobody serves the origin, the job is taken back.

    Raises:
        NoWorker: nobody serves the origin; nothing was sent, nothing will be.
        BusUnavailable: NATS is away, or the job was lost.
    """
    async with follow_store(bus, store, await jobs.submit_store(bus, store)) as results:
        yield results


@asynccontextmanager
async def follow_store(bus: Bus, store: Store, sequence: int) -> AsyncIterator[AsyncIterator[InstanceStored]]:
    """Give the results of a store job that is, or was, in the stream STORES at `sequence`; as `run_store`.

    Raises:
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
                    return
                if fact.index not in seen:
                    seen.add(fact.index)
                    yield fact
            raise BusUnavailable("The store job ended without its last results")

        yield results()
