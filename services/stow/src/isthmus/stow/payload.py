"""The payload of a request as a sequence of parts, each a stream of bytes (PS3.18 10.5.2)."""

from collections.abc import AsyncGenerator, AsyncIterator
from typing import Final

from starlette.requests import Request

from isthmus.common.dicomweb.media_type import MediaType
from isthmus.common.dicomweb.multipart_in import Part, read_parts
from isthmus.common.errors import InvalidParameter, UnsupportedMediaType

DICOM: Final = "application/dicom"


def parts_of(request: Request) -> AsyncGenerator[AsyncIterator[bytes], None]:
    """Read `multipart/related; type="application/dicom"`, or one object as `application/dicom`.

    Raises:
        UnsupportedMediaType: the payload is neither, or it is compressed on its way.
        UnreadablePayload: it has no boundary; while iterating: it is malformed, or ends too early.
    """
    content_type = request.headers.get("content-type")
    encoding = request.headers.get("content-encoding", "identity")
    if encoding.strip().lower() != "identity":
        raise UnsupportedMediaType("A payload with a Content-Encoding is not supported")
    try:
        media_type = MediaType.parse(content_type or "")
    except InvalidParameter as error:
        raise UnsupportedMediaType(error.detail) from error
    if media_type.name == DICOM:
        return _single(_body(request))
    part_type = media_type.parameter("type")
    if part_type is not None and part_type.strip().lower() != DICOM:
        raise UnsupportedMediaType(f"Of multipart/related only the type {DICOM} is supported")
    return _parts(read_parts(_body(request), content_type))


async def _body(request: Request) -> AsyncGenerator[bytes, None]:
    async for chunk in request.stream():
        if chunk:
            yield chunk


async def _single(body: AsyncIterator[bytes]) -> AsyncGenerator[AsyncIterator[bytes], None]:
    yield body


async def _parts(parts: AsyncGenerator[Part, None]) -> AsyncGenerator[AsyncIterator[bytes], None]:
    async for part in parts:
        yield part
