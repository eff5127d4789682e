"""The metadata of studies, series and instances in the DICOM JSON Model (PS3.18 10.4.1.1.2, Annex F).

Every instance of the resource is in the array, or the array has no end.
"""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Final
from urllib.parse import quote

import orjson
from starlette.requests import Request

from isthmus.common.blobs import BlobStore
from isthmus.common.dicom.json_model import metadata_of
from isthmus.common.dicomweb.accept import DICOM_JSON, JSON, accepted_by, negotiate
from isthmus.common.dicomweb.json_response import json_array
from isthmus.common.dicomweb.resource import public_base_url
from isthmus.common.errors import MalformedDataset, NotDelivered
from isthmus.common.messages import BlobRef
from isthmus.common.telemetry import get_logger
from isthmus.wado.ahead import ahead
from isthmus.wado.instances import Instances
from isthmus.wado.streamed import Body

AHEAD: Final = 4
"""Headers that are read at the same time, for one client."""

log = get_logger(__name__)


@asynccontextmanager
async def metadata(instances: Instances, request: Request) -> AsyncIterator[Body]:
    """Give the metadata of each instance, in the order in which they arrive.

    Raises:
        NotDelivered: what the origin sent as the first instance cannot be read. When that happens to a later
            one, or it turns out that some are missing, the body is broken off.
    """
    resource = instances.wanted(request)
    choice = negotiate(accepted_by(request), [DICOM_JSON, JSON])
    study_url = f"{public_base_url(request)}/aets/{resource.origin}/studies/{resource.study}"

    async def describe(blob: BlobRef) -> bytes:
        prefix = f"{study_url}/{_path(blob)}/bulkdata"
        try:
            return await instances.threads.run(_metadata_json, instances.blobs, blob, prefix)
        except MalformedDataset as error:
            # The fault lies with the origin, and not with the client's request.
            detail = f"An instance that the origin sent cannot be read: {error.detail}"
            raise NotDelivered(detail, origin=resource.origin) from error

    async with instances.read(resource) as refs, ahead(refs, describe, AHEAD) as described:
        first = await anext(described)

        yield Body({"Content-Type": choice.offer.name}, _array(first, described))


async def _array(
    first: tuple[BlobRef, bytes], others: AsyncIterator[tuple[BlobRef, bytes]]
) -> AsyncGenerator[bytes, None]:
    async def objects() -> AsyncIterator[bytes]:
        yield first[1]
        async for _, text in others:
            yield text

    async for chunk in json_array(objects()):
        yield chunk


def _metadata_json(blobs: BlobStore, blob: BlobRef, bulk_prefix: str) -> bytes:
    with blobs.open(blob.key, blob.size) as source:
        attributes, left_out = metadata_of(source, bulk_prefix)
    if left_out:
        log.warning("values left out of metadata", tags=left_out)
    return orjson.dumps(attributes)


def _path(blob: BlobRef) -> str:
    # PACS hold UIDs that no URL can.
    series, instance = quote(blob.series_instance_uid, safe=""), quote(blob.sop_instance_uid, safe="")
    return f"series/{series}/instances/{instance}"
