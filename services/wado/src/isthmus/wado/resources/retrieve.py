"""Studies, series and instances as DICOM objects (PS3.18 10.4), in transfer syntaxes that clients take."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Final, TypeVar

from starlette.requests import Request

from isthmus.common.blobs import BlobStore
from isthmus.common.blobs.keys import segment
from isthmus.common.bus.fan_out import fan_out
from isthmus.common.derived.transcoded import VERSION, obtainable
from isthmus.common.dicom.bulk import Piece
from isthmus.common.dicomweb.accept import Choice, accepted_by, negotiate
from isthmus.common.dicomweb.multipart_out import MultipartWriter, multipart_length
from isthmus.common.dicomweb.offers import DICOM_FILE, DICOM_PARTS, ZIP
from isthmus.common.dicomweb.resource import Resource
from isthmus.common.messages import BlobRef, Retrieve
from isthmus.common.retrieval import Reading
from isthmus.wado.answers.conditional import ETag, etag_of, is_unchanged
from isthmus.wado.answers.objects import Objects, Sent, content
from isthmus.wado.answers.pieces import body_of
from isthmus.wado.answers.streamed import Body, nothing, unchanged
from isthmus.wado.answers.zip import ZipWriter
from isthmus.wado.instances import Instances
from isthmus.wado.resources.bulkdata import IN_OCTETS, all_bulkdata

AHEAD: Final = 4
"""Objects that are fetched, or transcoded, while the client still takes earlier ones."""

T = TypeVar("T")
Sending = AsyncIterator[tuple[BlobRef, Sent]]
"""Objects as they are held, and as they go."""


@asynccontextmanager
async def retrieve(instances: Instances, request: Request) -> AsyncIterator[Body]:
    """Give the objects of a study, series or instance, in the order in which they arrive.

    What the origin could not deliver before is not waited for: 206 says that it lacks. Whoever wants octet
    streams gets the bulk data of the objects (PS3.18 Table 10.4.4-1 has it so for historical reasons).

    Raises:
        NotAcceptable: the first object, or one of those that are held, cannot be had as it was asked for.
        PixelsUnreadable: the first object would have to be transcoded, and cannot. When either happens to a
            later one, or it turns out that some are missing, the body is broken off.
    """
    resource = instances.wanted(request)
    ranges = accepted_by(request)
    offers = [DICOM_PARTS, ZIP] if resource.instance is None else [DICOM_PARTS, DICOM_FILE, ZIP]
    choice = negotiate(ranges, [*offers, IN_OCTETS])
    if choice.offer == IN_OCTETS:
        async with all_bulkdata(instances, request) as body:
            yield body
        return
    async with instances.read(resource) as reading:
        first = await anext(reading)
        etag = None
        if resource.instance is not None:
            choice = negotiate(ranges, offers, obtainable=obtainable(first.transfer_syntax_uid))
            etag = _etag(first, choice)
            if is_unchanged(request, etag):
                yield unchanged(etag)
                return
        with instances.streams.stream() as fetch:
            objects = Objects(choice, instances.transcoded, fetch)
            if choice.offer == DICOM_FILE:
                yield await _file(instances.blobs, objects, request, first, etag)
                return
            writer = MultipartWriter(DICOM_PARTS.name)
            headers = {"Content-Type": writer.content_type}
            if choice.offer == ZIP:
                headers = _headers_of_archive(resource)
            elif (length := _length(objects, resource, first, reading)) is not None:
                headers["Content-Length"] = str(length)
            if request.method == "HEAD":
                yield Body(headers, nothing(), reading.lacking, etag)
                return
            async with fan_out(_chain(first, reading), objects.send, AHEAD) as sending:
                # What is wrong with the first one is told before the status line is out.
                sent = _chain(await anext(sending), sending)
                blobs = instances.blobs
                chunks = _archive(blobs, sent) if choice.offer == ZIP else _multipart(blobs, sent, writer)
                yield Body(headers, chunks, reading.lacking, etag)


def _etag(blob: BlobRef, choice: Choice) -> ETag:
    """Name an instance by all that decides what is sent of it."""
    syntaxes = choice.syntaxes(obtainable(blob.transfer_syntax_uid))
    weak = choice.offer != DICOM_FILE
    return etag_of(blob.key, choice.offer.media_type, *syntaxes, VERSION, weak=weak)


async def _file(
    blobs: BlobStore, objects: Objects, request: Request, blob: BlobRef, etag: ETag | None
) -> Body:
    """Give one object by itself."""
    content_type = f"{DICOM_FILE.name}; transfer-syntax="
    if request.method == "HEAD" and not objects.go_as_held([blob]):
        headers = {"Content-Type": content_type + objects.syntaxes(blob)[0]}
        return Body(headers, nothing(), etag=etag)
    given = await objects.given(blob)
    whole: Piece = (0, given.size)
    if request.method == "GET" and "range" not in request.headers:
        whole = (await objects.fetched(given)).content or whole
    headers = {"Content-Type": content_type + given.transfer_syntax_uid}
    return body_of(headers, blobs, given.key, [whole], etag=etag)


def _length(objects: Objects, resource: Resource, first: BlobRef, reading: Reading) -> int | None:
    """Count the bytes of a body that comes from the catalogue: it need not be chunked, which costs a copy.

    Raises:
        NotAcceptable: one of its objects, as far as they are known, cannot be had as it was asked for.
    """
    if reading.manifest is None:
        objects.syntaxes(first)
        return None
    wanted = Retrieve(resource.origin, resource.study, resource.series, resource.instance)
    # Each instance once, the first of its name, as it is read.
    held = {blob.sop_instance_uid: blob for blob in reversed([*reading.manifest.blobs(wanted)])}.values()
    if not objects.go_as_held(held):
        return None
    return multipart_length(DICOM_PARTS.name, ((blob.transfer_syntax_uid, blob.size) for blob in held))


async def _multipart(
    blobs: BlobStore, sending: Sending, writer: MultipartWriter
) -> AsyncGenerator[bytes, None]:
    async for _, sent in sending:
        blob = sent.blob
        yield writer.part(DICOM_PARTS.name, transfer_syntax=blob.transfer_syntax_uid, length=blob.size)
        async with aclosing(content(blobs, sent)) as chunks:
            async for chunk in chunks:
                yield chunk
    yield writer.close()


def _headers_of_archive(resource: Resource) -> dict[str, str]:
    name = segment(resource.instance or resource.series or resource.study)
    return {"Content-Type": ZIP.name, "Content-Disposition": f'attachment; filename="{name}.zip"'}


async def _archive(blobs: BlobStore, sending: Sending) -> AsyncGenerator[bytes, None]:
    """Give a file for each object, in a folder for each series."""
    writer = ZipWriter()
    async for _, sent in sending:
        blob = sent.blob
        name = f"{segment(blob.series_instance_uid)}/{segment(blob.sop_instance_uid)}.dcm"
        if sent.content is not None:
            yield writer.file(name, sent.content) + sent.content
            continue
        yield writer.begin(name, blob.size)
        async with aclosing(content(blobs, sent)) as chunks:
            async for chunk in chunks:
                yield writer.add(chunk)
        yield writer.end()
    yield writer.close()


async def _chain(first: T, others: AsyncIterator[T]) -> AsyncIterator[T]:
    yield first
    async for other in others:
        yield other
