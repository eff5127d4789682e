"""What is served for each inbox: the verbs of the contract, and deletion."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from isthmus.common.bus import end_tasks, serve_queries, streams
from isthmus.common.bus.delete import serve_deletions
from isthmus.common.bus.echo import serve_echo
from isthmus.common.bus.jobs import Lane, work
from isthmus.common.config import Inbox
from isthmus.common.inbox.catalogue import CatalogueWithInboxes
from isthmus.common.inbox.deposit import Deposits
from isthmus.common.inbox.index import Index
from isthmus.common.messages import Retrieve, Store
from isthmus.common.service import Parts
from isthmus.web_scu.inbox.delete import DeleteWork, finishing
from isthmus.web_scu.inbox.echo import EchoWork
from isthmus.web_scu.inbox.retrieve import RetrieveWork
from isthmus.web_scu.inbox.search import SearchWork
from isthmus.web_scu.inbox.store import StoreWork
from isthmus.web_scu.serving import Served, serving
from isthmus.web_scu.settings import WebScuSettings

STORES_AT_ONCE: Final = 2
"""Store jobs of an inbox; each takes several instances at a time."""
RETRIEVES_AT_ONCE: Final = 8


@asynccontextmanager
async def inboxes(
    parts: Parts, settings: WebScuSettings, index: Index, group: asyncio.TaskGroup
) -> AsyncIterator[None]:
    """Serve all inboxes until left; then jobs that run go to another worker.

    Args:
        parts: what the service stands on.
        settings: which inboxes there are.
        index: follows the records of their studies.
        group: where the loops run that never end by themselves.
    """
    deposits = Deposits(parts.bus, parts.blobs, settings.base_url)
    deleting = group.create_task(finishing(parts.bus, parts.blobs, index))
    try:
        async with serving(_serve(parts, inbox, index, deposits, group) for inbox in settings.inboxes):
            yield
    finally:
        await end_tasks([deleting])


async def _serve(
    parts: Parts, inbox: Inbox, index: Index, deposits: Deposits, group: asyncio.TaskGroup
) -> Served:
    bus, blobs, name = parts.bus, parts.blobs, inbox.name
    answering = (
        await serve_queries(bus, name, SearchWork(bus, blobs, inbox, index)),
        await serve_echo(bus, name, EchoWork(bus, blobs, name)),
        await serve_deletions(bus, name, DeleteWork(bus, blobs)),
    )
    retrieving = RetrieveWork(bus, CatalogueWithInboxes(blobs, bus, (name,)))
    storing = StoreWork(bus, blobs, inbox, deposits)
    jobs = (
        work(bus, streams.JOBS, name, Retrieve, retrieving, at_once=RETRIEVES_AT_ONCE),
        work(bus, streams.JOBS, name, Retrieve, retrieving, at_once=1, lane=Lane.BULK),
        work(bus, streams.STORES, name, Store, storing, at_once=STORES_AT_ONCE),
    )
    return Served(answering, tuple(group.create_task(job) for job in jobs))
