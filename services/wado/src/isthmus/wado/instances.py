"""What a request is about: a study, a series or an instance, and its blobs as they arrive."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from starlette.requests import Request

from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus
from isthmus.common.dicomweb.resource import Resource
from isthmus.common.messages import BlobRef, Retrieve
from isthmus.common.retrieval import read
from isthmus.common.threads import Threads
from isthmus.wado.settings import WadoSettings


@dataclass(frozen=True, slots=True)
class Instances:
    """Where instances come from, for all resources of this service."""

    settings: WadoSettings
    bus: Bus
    blobs: BlobStore
    threads: Threads
    """Where headers are read."""

    def wanted(self, request: Request) -> Resource:
        """Read the resource out of the path.

        Raises:
            UnknownOrigin: no such origin is configured.
            InvalidParameter: a UID is outside the grammar.
        """
        resource = Resource.from_path_params(request.path_params)
        self.settings.require_origin(resource.origin)
        return resource

    @asynccontextmanager
    async def read(self, resource: Resource) -> AsyncIterator[AsyncIterator[BlobRef]]:
        """Give the blobs of a resource as they arrive, one at least; raises what `retrieval.read` does."""
        wanted = Retrieve(resource.origin, resource.study, resource.series, resource.instance)
        async with read(self.bus, wanted) as blobs:
            yield blobs if resource.instance is None else _only(blobs)


async def _only(blobs: AsyncIterator[BlobRef]) -> AsyncIterator[BlobRef]:
    """A single instance is whole once it is there, while the job that brings it may bring a whole study."""
    async for blob in blobs:
        yield blob
        return
