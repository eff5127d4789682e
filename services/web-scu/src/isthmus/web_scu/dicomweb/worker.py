"""What is served for each DICOMweb server: the verbs of the contract."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, closing

from isthmus.common.bus import serve_queries, serve_worklists, streams
from isthmus.common.bus.echo import serve_echo
from isthmus.common.bus.jobs import Lane, work
from isthmus.common.config import DicomwebOrigin
from isthmus.common.messages import Retrieve, Store
from isthmus.common.retrieving import RetrieveWork
from isthmus.common.service import Parts
from isthmus.common.threads import Threads
from isthmus.common.webclient import WebClient
from isthmus.web_scu.dicomweb.asking import Asking
from isthmus.web_scu.dicomweb.echo import EchoWork
from isthmus.web_scu.dicomweb.retrieve import DicomwebSource
from isthmus.web_scu.dicomweb.search import SearchWork
from isthmus.web_scu.dicomweb.store import StoreWork
from isthmus.web_scu.dicomweb.worklist import WorklistWork
from isthmus.web_scu.serving import Served, serving
from isthmus.web_scu.settings import WebScuSettings


@asynccontextmanager
async def dicomweb_servers(
    parts: Parts, settings: WebScuSettings, group: asyncio.TaskGroup
) -> AsyncIterator[None]:
    """Serve all of them until left; then jobs that run go to another worker.

    Args:
        parts: what the service stands on.
        settings: which servers there are.
        group: where the loops run that never end by themselves.
    """
    async with AsyncExitStack() as clients:
        origins = [
            (
                origin,
                await clients.enter_async_context(WebClient(origin)),
                clients.enter_context(closing(Threads(f"web-{origin.name}", origin.connections))),
            )
            for origin in settings.dicomweb_servers
        ]
        async with serving(_serve(parts, settings, *one, group) for one in origins):
            yield


async def _serve(
    parts: Parts,
    settings: WebScuSettings,
    origin: DicomwebOrigin,
    client: WebClient,
    threads: Threads,
    group: asyncio.TaskGroup,
) -> Served:
    bus, blobs, name = parts.bus, parts.blobs, origin.name
    asking = Asking(client, origin, settings.max_parents)
    answering = (
        await serve_queries(bus, name, SearchWork(asking, origin)),
        await serve_worklists(bus, name, WorklistWork(client, origin)),
        await serve_echo(bus, name, EchoWork(client)),
    )
    retrieving = RetrieveWork(bus, blobs, DicomwebSource(client, asking, threads))
    storing = StoreWork(bus, blobs, client, origin)
    at_once = origin.connections
    jobs = (
        work(bus, streams.JOBS, name, Retrieve, retrieving, at_once=at_once),
        work(bus, streams.JOBS, name, Retrieve, retrieving, at_once=1, lane=Lane.BULK),
        work(bus, streams.STORES, name, Store, storing, at_once=at_once),
    )
    return Served(answering, tuple(group.create_task(job) for job in jobs))
