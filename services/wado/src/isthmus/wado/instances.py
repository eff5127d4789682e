"""What a request is about: a study, a series or an instance, and its blobs as they arrive."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Self

from starlette.requests import Request

from isthmus.common.access import RequestAccess
from isthmus.common.access.studies import Studies
from isthmus.common.blobs import BlobStore
from isthmus.common.derived.images import Images
from isthmus.common.derived.transcoded import Transcoded
from isthmus.common.dicomweb.resource import ALL, Resource
from isthmus.common.errors import BlobMissing, IsthmusError
from isthmus.common.federation import Federation, Visible, Wanted
from isthmus.common.messages import BlobRef, Retrieve
from isthmus.common.pixels.processes import PixelProcesses
from isthmus.common.retrieval import Catalogue, Reading, Retrieval
from isthmus.common.telemetry import get_logger
from isthmus.common.threads import Threads
from isthmus.wado.pictures.pictures import Pictures
from isthmus.wado.pictures.representatives import Representatives
from isthmus.wado.pixels.frame_contents import FrameContents
from isthmus.wado.settings import WadoSettings
from isthmus.wado.sources.derived import Derived
from isthmus.wado.sources.recent import Recent
from isthmus.wado.sources.streams import Streams

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
    federation: Federation
    images: Images
    processes: PixelProcesses
    """Where pixels are worked on."""
    frames: FrameContents
    recent: Recent
    transcoded: Transcoded
    pictures: Pictures
    representatives: Representatives
    studies: Studies
    """What is known of studies, where somebody may see some of them only."""
    access: RequestAccess | None = None
    """What the rules say of one request; without it nothing is read."""
    warnings: list[str] = field(default_factory=list)
    """What the client of one request is told of the origins that were asked for it."""
    _wanted: list[Resource] = field(default_factory=list)
    """What was read for one request."""
    _visible: dict[tuple[str, str], Visible] = field(default_factory=dict)
    """Where the client of one request may see its studies, by the origin that he names and the study."""
    _prefetching: set[asyncio.Task[None]] = field(default_factory=set)

    def for_request(self, access: RequestAccess) -> Self:
        """Give the same, to answer one request; nothing of a study is given before its rules are asked."""
        return replace(self, access=access, warnings=[], _wanted=[], _visible={})

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
    async def read(self, resource: Resource) -> AsyncIterator[Reading]:
        """Give the blobs of a resource, one at least, as `Retrieval.read` does, and raise what it raises.

        The origin of a blob is that of its key: a resource may be of `ALL`.

        Raises:
            NoSuchObject: there is no such resource, or none that the client may see.
        """
        self._wanted.append(resource)
        where = await self._where(resource)
        if resource.origin == ALL:
            wanted = Wanted(resource.study, resource.series, resource.instance)
            async with self.federation.read(wanted, where) as everywhere:
                self.warnings.extend(silence.warning for silence in everywhere.silent)
                yield everywhere
            return
        retrieve = Retrieve(resource.origin, resource.study, resource.series, resource.instance)
        async with self.retrieval.read(retrieve) as reading:
            yield reading

    async def instance(self, resource: Resource) -> BlobRef:
        """Give the blob of a single instance; at once where its study was just read, and then it may be gone.

        Raises:
            Exception: as `read` does.
        """
        self._wanted.append(resource)
        where = await self._where(resource)
        found = None if where.silent else self.recent.blob(resource, where.origins)
        if found is not None:
            return found
        async with self.read(resource) as reading:
            blob = await anext(reading)
            # What an inbox has is known at once, and what was deleted from it is not to be had any more.
            if (
                reading.manifest is not None
                and not self.warnings
                and not self.catalogue.is_the_origin(reading.manifest.origin)
            ):
                self.recent.note(resource, reading.manifest)
            return blob

    async def representatives_of(self, resource: Resource) -> Sequence[Resource]:
        """Give some instances that may stand for a study or a series, as `Representatives.of` does.

        Raises:
            NoSuchObject: there is no such study, or none that the client may see.
            OriginError: its origin does not tell whether he may.
            UnavailableError: a part of ours is away.
        """
        return await self.representatives.of(resource, await self._where(resource))

    async def _where(self, resource: Resource) -> Visible:
        """Tell where the client may see the study of a resource; at an origin that it names he must.

        Raises:
            NoSuchObject: he may not.
        """
        access = self.access
        if access is None:
            raise RuntimeError("nothing is read for nobody")
        key = (resource.origin, resource.study)
        if key not in self._visible:
            if resource.origin == ALL:
                permits = access.permits(self.settings.origins)
                self._visible[key] = await self.federation.visible(self.studies, permits, resource.study)
            else:
                await self.studies.require(access.permit(resource.origin), *key)
                self._visible[key] = Visible((resource.origin,))
        return self._visible[key]

    def forget_recent(self) -> bool:
        """Forget what was just read of what is wanted; tell whether there was anything."""
        return sum(self.recent.forget(resource) for resource in self._wanted) > 0

    def open_series(self, resource: Resource) -> None:
        """Let the rest of a study follow when one of its series is opened, where the origin is set so.

        To be called when the series' own reading has begun, which goes before. It waits for nothing.
        """
        if self.settings.prefetch:
            task = asyncio.create_task(self._prefetch(resource))
            self._prefetching.add(task)
            task.add_done_callback(self._prefetching.discard)

    async def _prefetch(self, resource: Resource) -> None:
        origins = [resource.origin]
        try:
            if resource.origin == ALL:
                origins = await self.federation.origins_of(resource.study, await self._where(resource))
            for origin in self.settings.prefetch.intersection(origins):
                await self.retrieval.prefetch(origin, resource.study)
        except IsthmusError as error:  # it is fetched when it is asked for
            log.info("study not prefetched", reason=error.title)

    @asynccontextmanager
    async def mended(self) -> AsyncIterator[None]:
        """See to it that what S3 has lost of what was read is fetched anew by the next request.

        Raises:
            BlobMissing: as the block did.
        """
        try:
            yield
        except BlobMissing:
            for resource in self._wanted:
                for origin in (await self._where(resource)).origins:
                    await self.catalogue.mend(origin, resource.study)
            raise
