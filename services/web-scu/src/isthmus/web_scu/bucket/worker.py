"""What is served for each bucket: the verbs of the contract, and the scan."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from isthmus.common.blobs import BlobStore, buckets_of
from isthmus.common.bus import serve_queries, streams
from isthmus.common.bus.echo import serve_echo
from isthmus.common.bus.jobs import Lane, work
from isthmus.common.config import S3Origin
from isthmus.common.inbox.catalogue import CatalogueWithInboxes
from isthmus.common.inbox.index import Index
from isthmus.common.messages import Retrieve, Store
from isthmus.common.service import Parts
from isthmus.web_scu.bucket.echo import BucketEchoWork
from isthmus.web_scu.bucket.refresh import Refresher
from isthmus.web_scu.bucket.scan import Scanner
from isthmus.web_scu.bucket.search import BucketSearchWork
from isthmus.web_scu.bucket.store import BucketStoreWork
from isthmus.web_scu.inbox.retrieve import RetrieveWork
from isthmus.web_scu.serving import Served, serving
from isthmus.web_scu.settings import WebScuSettings

STORES_AT_ONCE: Final = 64
"""Store jobs of a bucket: of a modality's, each with one instance, most wait for their study to be listed."""
RETRIEVES_AT_ONCE: Final = 8


@asynccontextmanager
async def buckets(
    parts: Parts, settings: WebScuSettings, index: Index, group: asyncio.TaskGroup
) -> AsyncIterator[None]:
    """Serve all buckets until left; then jobs that run go to another worker.

    Args:
        parts: what the service stands on; its blobs find what lies in these buckets.
        settings: which buckets there are.
        index: follows the records of their studies.
        group: where the loops run that never end by themselves.
    """
    with buckets_of(settings.buckets) as opened:
        starts = (_serve(parts, opened[one.name], one, index, group) for one in settings.buckets)
        async with serving(starts):
            yield


async def _serve(
    parts: Parts, bucket: BlobStore, origin: S3Origin, index: Index, group: asyncio.TaskGroup
) -> Served:
    bus, blobs, name = parts.bus, parts.blobs, origin.name
    refresher = Refresher(bus, blobs, bucket, origin)
    searching = BucketSearchWork(bus, blobs, bucket, origin, index, refresher)
    answering = (
        await serve_queries(bus, name, searching),
        await serve_echo(bus, name, BucketEchoWork(bucket, origin)),
    )
    catalogue = CatalogueWithInboxes(blobs, bus, (), (name,))
    retrieving = RetrieveWork(bus, catalogue, refresher.refresh)
    storing = BucketStoreWork(bus, blobs, bucket, origin, refresher)
    loops = (
        work(bus, streams.JOBS, name, Retrieve, retrieving, at_once=RETRIEVES_AT_ONCE),
        work(bus, streams.JOBS, name, Retrieve, retrieving, at_once=1, lane=Lane.BULK),
        work(bus, streams.STORES, name, Store, storing, at_once=STORES_AT_ONCE),
        Scanner(bus, bucket, origin, index, refresher).run(),
    )
    return Served(answering, tuple(group.create_task(loop) for loop in loops))
