"""What C-MOVE and C-GET stand on, for as long as the service runs."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from isthmus.common.dimse import Operation
from isthmus.common.inbox.catalogue import CatalogueWithInboxes
from isthmus.common.retrieval import Retrieval
from isthmus.common.service import Parts
from isthmus.common.threads import Threads
from isthmus.scp.destinations import Destinations
from isthmus.scp.get import Get
from isthmus.scp.move import Move
from isthmus.scp.provider import Serve
from isthmus.scp.retrieving.source import Source


@asynccontextmanager
async def retrieving(parts: Parts) -> AsyncIterator[Mapping[Operation, Serve]]:
    """Give who answers C-MOVE and who answers C-GET."""
    settings = parts.settings
    catalogue = CatalogueWithInboxes(parts.blobs, parts.bus, [inbox.name for inbox in settings.inboxes])
    retrieval = Retrieval(parts.bus, catalogue, settings.cache.fresh_seconds)
    source = Source(parts.bus, parts.blobs, catalogue, retrieval)
    to_destinations = sum(one.associations for one in settings.scp.destinations)
    # Each is in use for as long as an instance is sent, and one client must not wait for another.
    threads = Threads("sending", settings.scp.max_associations + to_destinations + 1)
    destinations = Destinations(settings.scp.destinations, settings.scp.ae_title, threads)
    try:
        yield {
            Operation.C_MOVE: Move(source, destinations, threads),
            Operation.C_GET: Get(source, threads),
        }
    finally:
        await destinations.close()
        threads.close()
