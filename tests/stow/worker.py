"""A worker that answers store jobs as the test tells it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus, jobs, progress, streams, subjects
from isthmus.common.bus.jobs import Running
from isthmus.common.messages import BlobRef, Failure, InstanceStored, Store, StoreDone, decode
from tests.wado.serving import ended


class Job:
    """A store job in the hands of the worker."""

    def __init__(self, bus: Bus, blobs: BlobStore, store: Store) -> None:
        self.store = store
        self._bus = bus
        self._blobs = blobs
        self._published = 0

    async def refs(self) -> tuple[BlobRef, ...]:
        """What is to be stored."""
        if self.store.manifest is None:
            return self.store.blobs
        return decode(await self._blobs.get(self.store.manifest), Store).blobs

    async def answer(self, index: int, status: int, failure: Failure | None = None) -> None:
        """Say what the origin answered for an instance."""
        ref = (await self.refs())[index]
        await self._publish(InstanceStored(index, ref.sop_class_uid, ref.sop_instance_uid, status, failure))

    async def answer_all(self, status: int, failure: Failure | None = None) -> None:
        """Say the same of all, and end the job."""
        for index in range(len(await self.refs())):
            await self.answer(index, status, failure)
        await self.end()

    async def end(self) -> None:
        """End the job."""
        await self._publish(StoreDone(0, 0))

    async def _publish(self, fact: object) -> None:
        self._published += 1
        subject = subjects.stored(self.store.origin, self.store.job)
        await progress.publish(self._bus, subject, fact, f"{self.store.job}.{self._published}")


Script = Callable[[Job], Awaitable[None]]
Employ = Callable[[Script], None]


@asynccontextmanager
async def employing(bus: Bus, blobs: BlobStore, origin: str) -> AsyncIterator[Employ]:
    """Let scripts do the store jobs of an origin."""
    working: list[asyncio.Task[None]] = []

    def employ(script: Script) -> None:
        async def work(running: Running[Store]) -> None:
            await script(Job(bus, blobs, running.job))
            await running.acknowledge()

        working.append(asyncio.create_task(jobs.work(bus, streams.STORES, origin, Store, work, at_once=4)))

    try:
        yield employ
    finally:
        await ended(working)


async def stores(job: Job) -> None:
    """Store all of it."""
    await job.answer_all(0x0000)
