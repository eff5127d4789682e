"""Studies, series and instances as DICOM objects (PS3.18 10.4), in the syntaxes in which they are held."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Final

from starlette.requests import Request

from isthmus.common.blobs import BlobStore
from isthmus.common.dicomweb.accept import accepted_by, negotiate
from isthmus.common.dicomweb.multipart_out import MultipartWriter, multipart_length
from isthmus.common.dicomweb.offers import DICOM_FILE, DICOM_PARTS
from isthmus.common.dicomweb.resource import Resource
from isthmus.common.messages import BlobRef, Lacking, Retrieve
from isthmus.common.retrieval import Reading
from isthmus.wado.ahead import ahead
from isthmus.wado.instances import Instances
from isthmus.wado.streamed import Body

AHEAD: Final = 4
"""Blobs that are fetched while the client still takes earlier ones."""
WHOLE_BYTES: Final = 4 * 1024 * 1024
"""Larger blobs are not fetched ahead but streamed; so a client costs 16 MiB at most."""

Fetched = AsyncIterator[tuple[BlobRef, bytes | None]]
"""Blobs, with their bytes where they were fetched ahead."""


@asynccontextmanager
async def retrieve(instances: Instances, request: Request) -> AsyncIterator[Body]:
    """Give the objects of a study, series or instance, in the order in which they arrive.

    What the origin could not deliver before is not waited for: 206 says that it lacks.

    Raises:
        NotAcceptable: the first object is not held in a transfer syntax that was asked for. When that happens
            to a later one, or it turns out that some are missing, the body is broken off.
    """
    resource = instances.wanted(request)
    offers = [DICOM_PARTS] if resource.instance is None else [DICOM_PARTS, DICOM_FILE]
    choice = negotiate(accepted_by(request), offers)
    blobs = instances.blobs

    async def fetch(blob: BlobRef) -> bytes | None:
        choice.require(blob.transfer_syntax_uid)
        return await stream(blob) if blob.size <= WHOLE_BYTES else None

    with instances.streams.stream() as stream:
        async with instances.read(resource) as reading, ahead(reading, fetch, AHEAD) as fetched:
            first = await anext(fetched)
            yield (
                _multipart(blobs, first, fetched, reading.lacking, _length(reading, resource))
                if choice.offer.multipart
                else _single(blobs, first)
            )


def _multipart(
    blobs: BlobStore,
    first: tuple[BlobRef, bytes | None],
    others: Fetched,
    lacking: Lacking | None,
    length: int | None,
) -> Body:
    writer = MultipartWriter(DICOM_PARTS.name)
    headers = {"Content-Type": writer.content_type}
    if length is not None:
        headers["Content-Length"] = str(length)

    async def chunks() -> AsyncGenerator[bytes, None]:
        async for blob, content in _chain(first, others):
            yield writer.part(DICOM_PARTS.name, transfer_syntax=blob.transfer_syntax_uid, length=blob.size)
            if content is not None:
                yield content
                continue
            async with aclosing(blobs.stream(blob.key)) as stream:
                async for chunk in stream:
                    yield chunk
        yield writer.close()

    return Body(headers, chunks(), lacking)


def _length(reading: Reading, resource: Resource) -> int | None:
    """Count the bytes of a body that comes from the catalogue: it need not be chunked, which costs a copy."""
    if reading.manifest is None:
        return None
    wanted = Retrieve(resource.origin, resource.study, resource.series, resource.instance)
    # Each instance once, the first of its name, as it is read.
    blobs = {blob.sop_instance_uid: blob for blob in reversed([*reading.manifest.blobs(wanted)])}
    parts = ((blob.transfer_syntax_uid, blob.size) for blob in blobs.values())
    return multipart_length(DICOM_PARTS.name, parts)


def _single(blobs: BlobStore, fetched: tuple[BlobRef, bytes | None]) -> Body:
    blob, content = fetched
    headers = {
        "Content-Type": f"{DICOM_FILE.name}; transfer-syntax={blob.transfer_syntax_uid}",
        "Content-Length": str(blob.size),
    }
    return Body(headers, blobs.stream(blob.key) if content is None else _once(content))


async def _chain(first: tuple[BlobRef, bytes | None], others: Fetched) -> Fetched:
    yield first
    async for other in others:
        yield other


async def _once(content: bytes) -> AsyncGenerator[bytes, None]:
    yield content
