"""The resources of WADO-RS (PS3.18 Tables 10.4.1-1 to 10.4.1-6), and WADO-URI (PS3.18 9)."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import Final

from starlette.requests import Request
from starlette.routing import BaseRoute

from isthmus.common.access import AccessRoute, access_of
from isthmus.common.access.studies import Studies
from isthmus.common.auth import Right
from isthmus.common.derived.images import Images
from isthmus.common.derived.transcoded import Transcoded
from isthmus.common.dicomweb.resource import ROOTS
from isthmus.common.errors import BlobMissing
from isthmus.common.federation import Federation
from isthmus.common.inbox.catalogue import CatalogueWithInboxes
from isthmus.common.pixels.processes import PixelProcesses
from isthmus.common.retrieval import Retrieval
from isthmus.common.service import Parts
from isthmus.common.threads import Threads
from isthmus.wado.answers.streamed import Body, Streamed
from isthmus.wado.instances import Instances
from isthmus.wado.pictures.pictures import Pictures
from isthmus.wado.pictures.representatives import Representatives
from isthmus.wado.pixels.frame_contents import FrameContents
from isthmus.wado.resources.bulkdata import all_bulkdata, bulkdata
from isthmus.wado.resources.frames import frames
from isthmus.wado.resources.metadata import metadata
from isthmus.wado.resources.pixeldata import pixeldata
from isthmus.wado.resources.rendered import rendered, rendered_frames
from isthmus.wado.resources.retrieve import retrieve
from isthmus.wado.resources.thumbnail import frame_thumbnail, thumbnail
from isthmus.wado.resources.uri import uri
from isthmus.wado.settings import WadoSettings
from isthmus.wado.sources.derived import Derived
from isthmus.wado.sources.recent import Recent
from isthmus.wado.sources.streams import Streams

STUDY: Final = "/studies/{study}"
SERIES: Final = STUDY + "/series/{series}"
INSTANCE: Final = SERIES + "/instances/{instance}"

Endpoint = Callable[[Instances, Request], AbstractAsyncContextManager[Body]]
"""Gives the answer to a request."""
HEADER_THREADS: Final = 4
"""They wait for S3 more than they compute."""


def routes(parts: Parts) -> Sequence[BaseRoute]:
    """Give the routes of the service."""
    instances = _instances(parts)
    # Below each origin, and below all of them as one.
    resources: list[tuple[str, Endpoint]] = [
        (STUDY, retrieve),
        (SERIES, retrieve),
        (INSTANCE, retrieve),
        (STUDY + "/metadata", metadata),
        (SERIES + "/metadata", metadata),
        (INSTANCE + "/metadata", metadata),
        *((level + "/bulkdata", all_bulkdata) for level in (STUDY, SERIES, INSTANCE)),
        *((level + "/pixeldata", pixeldata) for level in (STUDY, SERIES, INSTANCE)),
        (INSTANCE + "/bulkdata/{path:path}", bulkdata),
        (INSTANCE + "/frames/{frames}", frames),
        *((level + "/rendered", rendered) for level in (STUDY, SERIES, INSTANCE)),
        *((level + "/thumbnail", thumbnail) for level in (STUDY, SERIES, INSTANCE)),
        (INSTANCE + "/frames/{frames}/rendered", rendered_frames),
        (INSTANCE + "/frames/{frames}/thumbnail", frame_thumbnail),
        ("/wado", uri),
    ]
    return [
        AccessRoute(
            root + path,
            Streamed(partial(_answer, instances, endpoint)),
            right=Right.RETRIEVE,
            methods=["GET"],
        )
        for root in ROOTS
        for path, endpoint in resources
    ]


def _instances(parts: Parts) -> Instances:
    """Make what all resources are read from."""
    settings = WadoSettings.of(parts.settings)
    catalogue = CatalogueWithInboxes(parts.blobs, parts.bus, settings.inboxes, settings.buckets)
    retrieval = Retrieval(parts.bus, catalogue, settings.fresh_seconds)
    threads = Threads("headers", HEADER_THREADS)
    derived, streams = Derived(parts.blobs, threads), Streams(parts.blobs)
    federation = Federation(
        parts.bus, catalogue, retrieval, tuple(settings.origins.values()), settings.fresh_seconds
    )
    pixels = settings.pixels
    images = Images(parts.blobs, threads, derived.frame_indexes, derived.kept, pixels.max_frame_bytes)
    processes = PixelProcesses(pixels.processes, pixels.timeout_seconds)
    parts.closing.callback(processes.close)
    transcoded = Transcoded(parts.blobs, threads, derived.kept, images, processes, pixels.max_frame_bytes)
    return Instances(
        settings,
        parts.blobs,
        catalogue,
        retrieval,
        threads,
        derived,
        streams,
        federation,
        images,
        processes,
        FrameContents(images, processes, derived.kept, pixels.max_frame_bytes),
        Recent(settings.fresh_seconds),
        transcoded,
        Pictures(images, processes, derived.kept, pixels.max_frame_bytes),
        Representatives(parts.bus, catalogue, federation),
        Studies.of(parts.bus, parts.settings),
    )


@asynccontextmanager
async def _answer(instances: Instances, endpoint: Endpoint, request: Request) -> AsyncIterator[Body]:
    instances = instances.for_request(access_of(request))
    async with instances.mended(), AsyncExitStack() as opened:
        try:
            body = await opened.enter_async_context(endpoint(instances, request))
        except BlobMissing:
            if not instances.forget_recent():
                raise
            body = await opened.enter_async_context(endpoint(instances, request))
        yield replace(body, warnings=(*body.warnings, *instances.warnings))
