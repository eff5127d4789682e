"""What a request is about: a study, a series or an instance, and its blobs as they arrive."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field

from starlette.requests import Request

from isthmus.common.blobs import BlobStore
from isthmus.common.dicomweb.resource import Resource
from isthmus.common.errors import BlobMissing, IsthmusError
from isthmus.common.messages import Retrieve
from isthmus.common.retrieval import Catalogue, Reading, Retrieval
from isthmus.common.telemetry import get_logger
from isthmus.common.threads import Threads
from isthmus.wado.derived import Derived
from isthmus.wado.settings import WadoSettings
from isthmus.wado.streams import Streams

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Instances:
    """Where instances come from, for all resources of this service."""

    settings: WadoSettings
    blobs: BlobStore
    catalogue: Catalogue
    retrieval: Retrieval
    threads: Threads
    """Where headers are read."""
    derived: Derived
    streams: Streams
    _prefetching: set[asyncio.Task[None]] = field(default_factory=set)

    def wanted(self, request: Request) -> Resource:
        """Read the resource out of the path.

        Raises:
            UnknownOrigin: no such origin is configured.
            InvalidParameter: a UID is outside the grammar.
        """
        resource = Resource.from_path_params(request.path_params)
        self.settings.require_origin(resource.origin)
        return resource

    def read(self, resource: Resource) -> AbstractAsyncContextManager[Reading]:
        """Give the blobs of a resource, one at least, as `Retrieval.read` does, and raise what it raises."""
        return self.retrieval.read(
            Retrieve(resource.origin, resource.study, resource.series, resource.instance)
        )

    def open_series(self, resource: Resource) -> None:
        """Let the rest of a study follow when one of its series is opened, where the origin is set so.

        To be called when the series' own reading has begun, which goes before. It waits for nothing.
        """
        if resource.origin in self.settings.prefetch:
            task = asyncio.create_task(self._prefetch(resource))
            self._prefetching.add(task)
            task.add_done_callback(self._prefetching.discard)

    async def _prefetch(self, resource: Resource) -> None:
        try:
            await self.retrieval.prefetch(resource.origin, resource.study)
        except IsthmusError as error:  # it is fetched when it is asked for
            log.info("study not prefetched", reason=error.title)

    @asynccontextmanager
    async def mended(self, request: Request) -> AsyncIterator[None]:
        """See to it that what S3 has lost is fetched anew by the next request.

        Raises:
            BlobMissing: as the block did.
        """
        try:
            yield
        except BlobMissing:
            resource = self.wanted(request)
            await self.catalogue.mend(resource.origin, resource.study)
            raise
