"""What the worker serves: the verbs of the contract, for each DIMSE origin."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final, Self

from isthmus.common.bus import Serving, end_tasks, serve_queries, serve_worklists, streams
from isthmus.common.bus.echo import serve_echo
from isthmus.common.bus.jobs import Lane, work
from isthmus.common.bus.slots import Slots
from isthmus.common.config import DimseOrigin
from isthmus.common.dimse import AssociationPool, Peer
from isthmus.common.messages import Retrieve, Store
from isthmus.common.retrieval.sweep import Sweeper
from isthmus.common.retrieving.retrieve import RetrieveWork
from isthmus.common.service import Parts
from isthmus.common.threads import Threads
from isthmus.dimse_scu.echo import EchoWork
from isthmus.dimse_scu.find import FindWork
from isthmus.dimse_scu.origin import DimseSource
from isthmus.dimse_scu.settings import DimseScuSettings
from isthmus.dimse_scu.store import StoreWork
from isthmus.dimse_scu.worklist import WorklistWork

SPARE_THREADS: Final = 2
"""Beyond one for each association: for opening and closing."""


@asynccontextmanager
async def worker(parts: Parts) -> AsyncIterator[None]:
    """Serve all origins until left; then what runs is broken off, and goes to another worker."""
    settings = DimseScuSettings.of(parts.settings)
    # A loop that takes jobs never ends by itself: should one fail, the group ends the process, and it starts
    # again.
    async with asyncio.TaskGroup() as group:
        serving: list[_OriginWorker] = []
        sweeper = Sweeper(parts.bus, parts.blobs, parts.settings.cache.max_bytes)
        sweeping = group.create_task(sweeper.run())
        try:
            for origin in settings.origins:
                one = await _OriginWorker.start(parts, origin, settings.ae_title, group)
                serving.append(one)
            yield
        finally:
            await asyncio.gather(end_tasks([sweeping]), *(one.stop() for one in serving))


@dataclass(frozen=True, slots=True)
class _OriginWorker:
    """All that is done for one origin."""

    threads: Threads
    slots: Slots
    pool: AssociationPool
    answering: tuple[Serving, ...]
    working: tuple[asyncio.Task[None], ...]

    @classmethod
    async def start(cls, parts: Parts, origin: DimseOrigin, ae_title: str, group: asyncio.TaskGroup) -> Self:
        threads = Threads(f"dimse-{origin.name}", origin.associations + SPARE_THREADS)
        slots = await Slots.open(parts.bus, origin.name, origin.associations)
        pool = AssociationPool(Peer.of(origin, ae_title), slots, threads)
        searches = await serve_queries(parts.bus, origin.name, FindWork(pool, origin))
        worklists = await serve_worklists(parts.bus, origin.name, WorklistWork(pool, origin))
        echoes = await serve_echo(parts.bus, origin.name, EchoWork(pool))
        retrieving = RetrieveWork(
            parts.bus, parts.blobs, DimseSource(parts.bus, pool, threads, origin, ae_title)
        )
        storing = StoreWork(parts.bus, parts.blobs, pool, threads, origin)
        at_once = origin.associations
        jobs = (
            work(parts.bus, streams.JOBS, origin.name, Retrieve, retrieving, at_once=at_once),
            work(parts.bus, streams.JOBS, origin.name, Retrieve, retrieving, at_once=1, lane=Lane.BULK),
            work(parts.bus, streams.STORES, origin.name, Store, storing, at_once=at_once),
        )
        return cls(
            threads, slots, pool, (searches, worklists, echoes), tuple(group.create_task(job) for job in jobs)
        )

    async def stop(self) -> None:
        """Answer what can be answered soon, hand the jobs over, and end the associations."""
        await asyncio.gather(end_tasks(self.working), *(one.finish() for one in self.answering))
        await self.pool.close()
        await self.slots.close()
        self.threads.close()
