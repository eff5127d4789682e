"""The payload of a request as a sequence of parts, each of a kind, its content a stream (PS3.18 10.5.1.4).

Clients differ in what they say of their parts, so more than one thing counts: the part's own Content-Type,
the `type` of the whole (which some leave out), its `start` (RFC 2387 3.2), and whether it has a location.
"""

from collections.abc import AsyncGenerator
from typing import Final

from starlette.datastructures import Headers
from starlette.requests import Request

from isthmus.common.dicomweb.media_type import MediaType
from isthmus.common.dicomweb.multipart_in import Part, PartLimits, read_parts
from isthmus.common.errors import InvalidParameter, UnsupportedMediaType
from isthmus.stow.parts import Kind, PayloadPart

_MULTIPART: Final = "multipart/related"
_OCTETS: Final = MediaType("application/octet-stream")
_METADATA: Final = {
    "application/dicom+json": Kind.JSON,
    "application/dicom+xml": Kind.XML,
}
_PLAIN: Final = {"application/json": Kind.JSON, "application/xml": Kind.XML, "text/xml": Kind.XML}
"""Metadata of clients that do not know their own media types, unless it has a location."""
_SINGLE: Final = {Kind.OBJECT.value: Kind.OBJECT, **_METADATA}


def parts_of(request: Request, limits: PartLimits) -> AsyncGenerator[PayloadPart, None]:
    """Read objects, or metadata and bulkdata, from a payload that is multipart/related or a single part.

    Raises:
        UnsupportedMediaType: the payload is neither, or it is compressed on its way.
        UnreadablePayload: it has no boundary; while iterating: it is malformed, or ends too early.
        TooLarge: while iterating: it has more parts than there may be.
    """
    content_type = request.headers.get("content-type")
    encoding = request.headers.get("content-encoding", "identity")
    if encoding.strip().lower() != "identity":
        raise UnsupportedMediaType("A payload with a Content-Encoding is not supported")
    try:
        media_type = MediaType.parse(content_type or "")
    except InvalidParameter as error:
        raise UnsupportedMediaType(error.detail) from error
    if media_type.name in _SINGLE:
        return _single(PayloadPart(_SINGLE[media_type.name], media_type, None, _body(request)))
    part_type = media_type.parameter("type")
    root = None if part_type is None else _SINGLE.get(part_type.strip().lower())
    if part_type is not None and root is None:
        raise UnsupportedMediaType(f"Of {_MULTIPART} only the types {', '.join(_SINGLE)} are supported")
    start = _content_id(media_type.parameter("start"))
    return _parts(read_parts(_body(request), content_type, limits), root, start)


async def _body(request: Request) -> AsyncGenerator[bytes, None]:
    async for chunk in request.stream():
        if chunk:
            yield chunk


async def _single(part: PayloadPart) -> AsyncGenerator[PayloadPart, None]:
    yield part


async def _parts(
    parts: AsyncGenerator[Part, None], root: Kind | None, start: str
) -> AsyncGenerator[PayloadPart, None]:
    async for part in parts:
        media_type = _media_type(part.headers)
        location = part.headers.get("content-location")
        is_start = bool(start) and _content_id(part.headers.get("content-id")) == start
        kind = _kind(media_type, location, root, is_start=is_start)
        root = root or kind
        yield PayloadPart(kind, media_type or _OCTETS, location, part)


def _kind(media_type: MediaType | None, location: str | None, root: Kind | None, *, is_start: bool) -> Kind:
    """Tell what a part is.

    Args:
        media_type: its own, if it has one.
        location: its Content-Location.
        root: what the first part is, or is said to be.
        is_start: whether it is said to be the root.
    """
    if root is Kind.OBJECT:
        return Kind.OBJECT  # whatever it says of itself
    name = media_type.name if media_type else ""
    if name in _SINGLE:
        return _SINGLE[name]
    if location is None and name in _PLAIN:
        return _PLAIN[name]
    if root is None:
        return Kind.OBJECT if location is None else Kind.BULKDATA
    return root if is_start or (location is None and not name) else Kind.BULKDATA


def _media_type(headers: Headers) -> MediaType | None:
    try:
        return MediaType.parse(headers.get("content-type", ""))
    except InvalidParameter:
        return None


def _content_id(value: str | None) -> str:
    """Give an id without the brackets that some leave out."""
    return (value or "").strip().removeprefix("<").removesuffix(">")
