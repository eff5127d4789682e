"""The values that metadata only refers to (PS3.18 10.4.1.1.5): whatever a BulkDataURI of ours names.

Native values leave in little endian. Encapsulated pixel data leaves as it is held, one part for each frame.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import Final

from starlette.requests import Request

from isthmus.common.blobs import BlobStore, origin_of
from isthmus.common.dicom.bulk import frames_value
from isthmus.common.dicom.encapsulated import is_encapsulated
from isthmus.common.dicom.frame_index import EncapsulatedFrames
from isthmus.common.dicom.json_model import BulkPart, BulkPath, BulkValue, Piece, bulk_of, parse_bulk_path
from isthmus.common.dicomweb.accept import Offer, accepted_by, negotiate
from isthmus.common.dicomweb.multipart_out import MultipartWriter
from isthmus.common.dicomweb.offers import BULKDATA, BULKDATA_PARTS
from isthmus.common.dicomweb.resource import public_base_url
from isthmus.common.errors import MalformedDataset, NotDelivered
from isthmus.common.messages import BlobRef
from isthmus.wado.instances import Instances
from isthmus.wado.streamed import Body

PIXEL_DATA: Final[BulkPath] = ("7FE00010",)


@asynccontextmanager
async def bulkdata(instances: Instances, request: Request) -> AsyncIterator[Body]:
    """Give one value of an instance.

    Raises:
        InvalidParameter: the URL ends in no path of tags and item numbers.
        NoSuchObject: the instance has no such value.
        NotAcceptable: the value is not held in what was asked for.
    """
    resource = instances.wanted(request)
    text = request.path_params["path"]
    path = parse_bulk_path(text)
    accepted = accepted_by(request)
    location = f"{public_base_url(request)}{resource.path}/bulkdata/{text}"
    async with instances.read(resource) as refs:
        blob = await anext(refs)
    value = await _find(instances, origin_of(blob.key), blob, path)
    offer = negotiate(accepted, _offers(value)).offer
    blobs = instances.blobs
    yield (
        _multipart(blobs, blob, value, offer, location)
        if offer.multipart
        else _single(blobs, blob, value, offer, location)
    )


async def _find(instances: Instances, origin: str, blob: BlobRef, path: BulkPath) -> BulkValue:
    def find() -> BulkValue:
        with instances.blobs.open(blob.key, blob.size) as source:
            return bulk_of(source, path)

    try:
        if path == PIXEL_DATA and is_encapsulated(blob.transfer_syntax_uid):
            index = await instances.derived.frame_indexes.of(blob)
            if isinstance(index, EncapsulatedFrames):
                return frames_value(index)
        return await instances.threads.run(find)
    except MalformedDataset as error:
        # The fault lies with the origin, and not with the client's request.
        detail = f"The instance that the origin sent cannot be read: {error.detail}"
        raise NotDelivered(detail, origin=origin) from error


def _offers(value: BulkValue) -> Sequence[Offer]:
    """List what there is of a value, the default first."""
    held = (value.transfer_syntax_uid,)
    if (BULKDATA.name, BULKDATA.transfer_syntaxes) == (value.media_type, held):
        return [BULKDATA_PARTS, BULKDATA]
    names = dict.fromkeys((value.media_type, BULKDATA.name))
    offers = [Offer(name, multipart=True, transfer_syntaxes=held) for name in names]
    if len(value.parts) == 1:
        offers += [Offer(name, transfer_syntaxes=held) for name in names]
    return offers


def _multipart(blobs: BlobStore, blob: BlobRef, value: BulkValue, offer: Offer, location: str) -> Body:
    writer = MultipartWriter(offer.name)

    async def chunks() -> AsyncGenerator[bytes, None]:
        for part in value.parts:
            yield writer.part(
                offer.name,
                transfer_syntax=value.transfer_syntax_uid,
                length=_length(part),
                location=location,
            )
            async with aclosing(_content(blobs, blob, part)) as content:
                async for chunk in content:
                    yield chunk
        yield writer.close()

    return Body({"Content-Type": writer.content_type}, chunks())


def _single(blobs: BlobStore, blob: BlobRef, value: BulkValue, offer: Offer, location: str) -> Body:
    (part,) = value.parts
    headers = {
        "Content-Type": f"{offer.name}; transfer-syntax={value.transfer_syntax_uid}",
        "Content-Length": str(_length(part)),
        "Content-Location": location,
    }
    return Body(headers, _content(blobs, blob, part))


def _length(part: BulkPart) -> int:
    return sum(len(piece) if isinstance(piece, bytes) else piece[1] for piece in part)


async def _content(blobs: BlobStore, blob: BlobRef, part: Sequence[Piece]) -> AsyncGenerator[bytes, None]:
    for piece in part:
        if isinstance(piece, bytes):
            yield piece
            continue
        offset, length = piece
        if not length:
            continue
        async with aclosing(blobs.stream(blob.key, offset=offset, length=length)) as chunks:
            async for chunk in chunks:
                yield chunk
