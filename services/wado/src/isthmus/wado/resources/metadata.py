"""The metadata of studies, series and instances (PS3.18 10.4.1.1.2), in JSON or XML (Annex F).

Every instance of the resource is in the array, or is a part of the body; else these have no end.
"""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Final

from starlette.requests import Request

from isthmus.common.blobs import origin_of
from isthmus.common.bus.fan_out import fan_out
from isthmus.common.dicom.levels import Level
from isthmus.common.dicomweb.accept import Offer, accepted_by, negotiate
from isthmus.common.dicomweb.json_response import json_array
from isthmus.common.dicomweb.multipart_out import MultipartWriter
from isthmus.common.dicomweb.offers import DICOM_JSON, DICOM_XML_PARTS, JSON
from isthmus.common.dicomweb.resource import Resource, public_base_url, service_path
from isthmus.common.errors import StoreUnavailable
from isthmus.common.messages import BlobRef, Retrieve
from isthmus.common.retrieval import HeldSeries, Manifest, Reading
from isthmus.common.telemetry import get_logger
from isthmus.wado.answers.conditional import ETag, etag_of, is_unchanged
from isthmus.wado.answers.metadata_xml import documents
from isthmus.wado.answers.streamed import Body, unchanged
from isthmus.wado.instances import Instances
from isthmus.wado.sources.described import in_json, mark_of
from isthmus.wado.sources.series_metadata import in_order

AHEAD: Final = 4
"""Headers that are read at the same time, for one client."""
_VERSION: Final = "1"

log = get_logger(__name__)


@asynccontextmanager
async def metadata(instances: Instances, request: Request) -> AsyncIterator[Body]:
    """Give the metadata of each instance: in the order in which they arrive, or as they are kept.

    Once a body is out, the metadata of the series in it are kept for the next client.

    Raises:
        NotDelivered: what the origin sent as the first instance cannot be read. When that happens to a later
            one, or it turns out that some are missing, the body is broken off.
    """
    resource = instances.wanted(request)
    offer = negotiate(accepted_by(request), [DICOM_JSON, DICOM_XML_PARTS, JSON]).offer
    texts = _Texts(instances, resource, public_base_url(request))
    async with instances.read(resource) as reading, aclosing(texts.of(reading)) as found:
        if resource.level is Level.SERIES:
            instances.open_series(resource)
        etag = texts.etag(reading, offer)
        if etag is not None and is_unchanged(request, etag):
            yield unchanged(etag)
            return
        first = await anext(found)
        if offer.multipart:
            writer = MultipartWriter(offer.name)
            chunks = documents(writer, _chain(first, found), instances.threads, instances.processes)
            yield Body({"Content-Type": writer.content_type}, chunks, reading.lacking, etag)
        else:
            array = json_array(_chain(first, found))
            yield Body({"Content-Type": offer.name}, array, reading.lacking, etag)
    await texts.keep(reading)


async def _chain(first: bytes, others: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
    yield first
    async for other in others:
        yield other


class _Texts:
    """The objects of one array, each in JSON or several with commas between them."""

    def __init__(self, instances: Instances, resource: Resource, base_url: str) -> None:
        self._instances = instances
        self._resource = resource
        self._study_url = f"{base_url}{service_path(resource.origin)}/studies/{resource.study}"
        self._in_json = in_json(self._study_url)
        self._made: set[str] = set()
        """The keys of the instances of which we made the metadata."""

    def etag(self, reading: Reading, offer: Offer) -> ETag | None:
        """Name what will be sent, where it is known by now."""
        manifest = reading.manifest
        if manifest is None or reading.lacking is not None:
            return None
        wanted = Retrieve(manifest.origin, manifest.study, self._resource.series, self._resource.instance)
        keys = sorted(blob.key for blob in manifest.blobs(wanted))
        return etag_of(offer.media_type, self._study_url, _VERSION, *keys, weak=offer.multipart)

    async def of(self, reading: Reading) -> AsyncGenerator[bytes, None]:
        """Give the objects of all that is read."""
        async for source in self._sources(reading):
            async with aclosing(source) as texts:
                async for text in texts:
                    yield text

    async def _sources(self, reading: Reading) -> AsyncIterator[AsyncGenerator[bytes, None]]:
        if self._resource.level is Level.IMAGE or reading.manifest is None:
            yield self._describe(reading)
            return
        for series in self._series(reading.manifest):
            kept = await self._instances.derived.series_metadata.kept(
                reading.manifest, series, self._study_url
            )
            yield self._describe(in_order(series)) if kept is None else kept

    async def _describe(self, blobs: AsyncIterator[BlobRef]) -> AsyncGenerator[bytes, None]:
        async def describe(blob: BlobRef) -> bytes:
            return await self._instances.derived.described.text(blob, origin_of(blob.key))

        async with fan_out(blobs, describe, AHEAD) as described:
            async for blob, text in described:
                yield text.replace(mark_of(blob.key), self._in_json)
                self._made.add(blob.key)

    async def keep(self, reading: Reading) -> None:
        """Keep the metadata of those series of which we made all."""
        if self._resource.level is Level.IMAGE or not self._made:
            return
        try:
            manifests = [reading.manifest] if reading.manifest else await self._manifests()
        except StoreUnavailable as error:
            log.warning("metadata not kept", reason=error.title)
            return
        for manifest in manifests:
            for series in self._series(manifest):
                if series.instances and self._made.issuperset(held.blob.key for held in series.instances):
                    await self._instances.derived.series_metadata.keep(manifest, series)

    async def _manifests(self) -> list[Manifest]:
        catalogue, study = self._instances.catalogue, self._resource.study
        found = [await catalogue.load(origin, study) for origin in {origin_of(key) for key in self._made}]
        return [manifest for manifest in found if manifest is not None]

    def _series(self, manifest: Manifest) -> list[HeldSeries]:
        wanted = self._resource.series
        return [one for one in manifest.series if wanted in (None, one.series_instance_uid)]
