"""A worker that publishes what the test says."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from isthmus.common.bus import Bus, end_tasks, jobs, progress, streams, subjects
from isthmus.common.bus.jobs import Lane, Running
from isthmus.common.messages import (
    BlobRef,
    InstanceReady,
    InstancesHeld,
    Retrieve,
    RetrieveDone,
    RetrieveStarted,
    retrieve_fact,
)
from isthmus.common.retrieval import Retrieval


class FakeWorker:
    """Says that each job starts, does the script's part, and says how it ends."""

    def __init__(self, bus: Bus) -> None:
        self.bus = bus
        self.jobs: list[Retrieve] = []
        self.begun = asyncio.Event()
        self.script: Callable[[FakeWorker, Running[Retrieve]], Awaitable[RetrieveDone]] = _nothing

    async def __call__(self, running: Running[Retrieve]) -> None:
        subject = subjects.progress(running.job.origin, running.job.study, running.generation)
        if isinstance(await progress.last(self.bus, subject, retrieve_fact), RetrieveDone):
            await running.acknowledge()
            return
        self.jobs.append(running.job)
        await self.publish(running, RetrieveStarted(running.job, ""), "started")
        self.begun.set()
        await self.publish(running, await self.script(self, running), "done")
        await running.acknowledge()

    async def ready(self, running: Running[Retrieve], *blobs: BlobRef) -> None:
        for one in blobs:
            await self.publish(running, InstanceReady(one), one.sop_instance_uid)

    async def held(self, running: Running[Retrieve], *blobs: BlobRef) -> None:
        await self.publish(running, InstancesHeld(blobs), "held")

    async def publish(self, running: Running[Retrieve], fact: object, name: str) -> None:
        subject = subjects.progress(running.job.origin, running.job.study, running.generation)
        await progress.publish(self.bus, subject, fact, f"{running.generation}.{name}")


async def _nothing(_: FakeWorker, __: Running[Retrieve]) -> RetrieveDone:
    return RetrieveDone(0, ())


@asynccontextmanager
async def at_work(
    bus: Bus, origin: str, lane: Lane = Lane.INTERACTIVE, *, at_once: int = 4
) -> AsyncIterator[FakeWorker]:
    worker = FakeWorker(bus)
    working = asyncio.create_task(
        jobs.work(bus, streams.JOBS, origin, Retrieve, worker, at_once=at_once, lane=lane)
    )
    try:
        yield worker
    finally:
        await end_tasks([working])


async def everything(retrieval: Retrieval, wanted: Retrieve) -> list[BlobRef]:
    async with retrieval.read(wanted) as reading:
        return [instance async for instance in reading]
