"""What the worker serves: the verbs of the contract, for each inbox."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final, Self

from isthmus.common.bus import Serving, end_tasks, serve_queries, streams, subjects
from isthmus.common.bus.jobs import Lane, work
from isthmus.common.config import Inbox
from isthmus.common.inbox.deposit import Deposits
from isthmus.common.inbox.index import Index
from isthmus.common.messages import Delete, Echo, Retrieve, Store
from isthmus.common.service import Parts
from isthmus.web_scu.delete import DeleteWork, finishing
from isthmus.web_scu.echo import EchoWork
from isthmus.web_scu.retrieve import RetrieveWork
from isthmus.web_scu.search import SearchWork
from isthmus.web_scu.settings import WebScuSettings
from isthmus.web_scu.store import StoreWork

STORES_AT_ONCE: Final = 2
"""Store jobs of an inbox; each takes several instances at a time."""
RETRIEVES_AT_ONCE: Final = 8


@asynccontextmanager
async def worker(parts: Parts) -> AsyncIterator[None]:
    """Serve all inboxes until left; then jobs that run go to another worker."""
    settings = WebScuSettings.of(parts.settings)
    index = Index(parts.bus)
    deposits = Deposits(parts.bus, parts.blobs, settings.base_url)
    # A loop that takes jobs never ends by itself: should one fail, the group ends the process, and it starts
    # again.
    async with index.following(), asyncio.TaskGroup() as group:
        serving: list[_InboxWorker] = []
        deleting = group.create_task(finishing(parts.bus, parts.blobs, index))
        try:
            for inbox in settings.inboxes:
                one = await _InboxWorker.start(parts, inbox, index, deposits, group)
                serving.append(one)
            yield
        finally:
            await asyncio.gather(end_tasks([deleting]), *(one.stop() for one in serving))


@dataclass(frozen=True, slots=True)
class _InboxWorker:
    """All that is done for one inbox."""

    answering: tuple[Serving, ...]
    working: tuple[asyncio.Task[None], ...]

    @classmethod
    async def start(
        cls, parts: Parts, inbox: Inbox, index: Index, deposits: Deposits, group: asyncio.TaskGroup
    ) -> Self:
        bus, blobs, name = parts.bus, parts.blobs, inbox.name
        answering = (
            await serve_queries(bus, name, SearchWork(bus, blobs, inbox, index)),
            await bus.serve(subjects.echo(name), "workers", EchoWork(bus, blobs, name), Echo),
            await bus.serve(subjects.delete(name), "workers", DeleteWork(bus, blobs), Delete),
        )
        retrieving = RetrieveWork(bus, blobs, name)
        storing = StoreWork(bus, blobs, inbox, deposits)
        jobs = (
            work(bus, streams.JOBS, name, Retrieve, retrieving, at_once=RETRIEVES_AT_ONCE),
            work(bus, streams.JOBS, name, Retrieve, retrieving, at_once=1, lane=Lane.BULK),
            work(bus, streams.STORES, name, Store, storing, at_once=STORES_AT_ONCE),
        )
        return cls(answering, tuple(group.create_task(job) for job in jobs))

    async def stop(self) -> None:
        """Answer what can be answered soon, and hand the jobs over."""
        await asyncio.gather(end_tasks(self.working), *(one.finish() for one in self.answering))
