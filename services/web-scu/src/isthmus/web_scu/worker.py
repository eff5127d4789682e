"""What the worker serves: every origin that speaks no DIMSE, by what kind of origin it is."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from isthmus.common.bus import end_tasks
from isthmus.common.inbox.index import Index
from isthmus.common.retrieval.sweep import Sweeper
from isthmus.common.service import Parts
from isthmus.web_scu.bucket.worker import buckets
from isthmus.web_scu.dicomweb.worker import dicomweb_servers
from isthmus.web_scu.inbox.worker import inboxes
from isthmus.web_scu.settings import WebScuSettings


@asynccontextmanager
async def worker(parts: Parts) -> AsyncIterator[None]:
    """Serve all of them until left; then jobs that run go to another worker."""
    settings = WebScuSettings.of(parts.settings)
    index = Index(parts.bus)  # one for all: it holds some 9 KB of each study of inboxes and buckets
    sweeper = Sweeper(parts.bus, parts.blobs, parts.settings.cache.max_bytes)
    # A loop that takes jobs never ends by itself: should one fail, the group ends the process, and it starts
    # again.
    async with (
        asyncio.TaskGroup() as group,
        _sweeping(sweeper, group),
        index.following(),
        inboxes(parts, settings, index, group),
        dicomweb_servers(parts, settings, group),
        buckets(parts, settings, index, group),
    ):
        yield


@asynccontextmanager
async def _sweeping(sweeper: Sweeper, group: asyncio.TaskGroup) -> AsyncIterator[None]:
    """Make room for what comes of DICOMweb servers: there may be no dimse-scu that does it."""
    sweeping = group.create_task(sweeper.run())
    try:
        yield
    finally:
        await end_tasks([sweeping])
