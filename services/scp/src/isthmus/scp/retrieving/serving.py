"""What C-MOVE and C-GET stand on, for as long as the service runs."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Final

from isthmus.common.access.studies import Studies
from isthmus.common.derived.for_peers import ForPeers
from isthmus.common.derived.frame_indexes import FrameIndexes
from isthmus.common.derived.images import Images
from isthmus.common.derived.kept import Kept
from isthmus.common.derived.transcoded import Transcoded
from isthmus.common.dimse import Operation
from isthmus.common.federation import Federation
from isthmus.common.inbox.catalogue import CatalogueWithInboxes
from isthmus.common.pixels.processes import PixelProcesses
from isthmus.common.retrieval import Retrieval
from isthmus.common.service import Parts
from isthmus.common.threads import Threads
from isthmus.scp.callers import Callers
from isthmus.scp.destinations import Destinations
from isthmus.scp.get import Get
from isthmus.scp.move import Move
from isthmus.scp.provider import Serve
from isthmus.scp.retrieving.outlet import Outlets
from isthmus.scp.retrieving.source import Source

HEADER_THREADS: Final = 4
"""They wait for S3 more than they compute."""


@asynccontextmanager
async def retrieving(
    parts: Parts, callers: Callers, studies: Studies
) -> AsyncIterator[Mapping[Operation, Serve]]:
    """Give who answers C-MOVE and who answers C-GET."""
    settings, blobs = parts.settings, parts.blobs
    inboxes = [inbox.name for inbox in settings.inboxes]
    buckets = [bucket.name for bucket in settings.s3_origins]
    catalogue = CatalogueWithInboxes(blobs, parts.bus, inboxes, buckets)
    fresh_seconds = settings.cache.fresh_seconds
    retrieval = Retrieval(parts.bus, catalogue, fresh_seconds)
    federation = Federation(parts.bus, catalogue, retrieval, settings.origins, fresh_seconds)
    source = Source(
        parts.bus,
        blobs,
        catalogue,
        retrieval,
        federation,
        settings.origins,
        studies,
        settings.search.max_parents,
    )
    to_destinations = sum(one.associations for one in settings.scp.destinations)
    # Each is in use for as long as an instance is sent, and one client must not wait for another.
    threads = Threads("sending", settings.scp.max_associations + to_destinations + 1)
    headers = Threads("headers", HEADER_THREADS)
    processes = PixelProcesses(settings.pixels.processes, settings.pixels.timeout_seconds)
    destinations = Destinations(settings.scp.destinations, settings.scp.ae_title, threads)
    outlets = Outlets(blobs, threads, _for_peers(parts, headers, processes))
    try:
        yield {
            Operation.C_MOVE: Move(callers, source, destinations, outlets),
            Operation.C_GET: Get(callers, source, outlets),
        }
    finally:
        await source.close()
        await destinations.close()
        processes.close()
        headers.close()
        threads.close()


def _for_peers(parts: Parts, threads: Threads, processes: PixelProcesses) -> ForPeers:
    blobs, largest = parts.blobs, parts.settings.pixels.max_frame_bytes
    kept = Kept(blobs)
    images = Images(blobs, threads, FrameIndexes(blobs, threads), kept, largest)
    transcoded = Transcoded(blobs, threads, kept, images, processes, largest)
    return ForPeers(blobs, threads, kept, transcoded)
