"""Bodies that are sent while they are made, and that never end cleanly unless they are whole.

A status line, once out, cannot be taken back. So an endpoint here waits for the first of what it sends,
and what fails until then is an ordinary error response. What fails later leaves the body without its last
chunk, or shorter than its Content-Length; every HTTP client can tell (RFC 9112 8).
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, aclosing
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from opentelemetry.trace import get_current_span
from starlette.requests import Request
from starlette.types import Message, Receive, Scope, Send

from isthmus.common.bus import end_tasks
from isthmus.common.dicomweb.resource import origin_in, public_base_url, service_path
from isthmus.common.dicomweb.warning import warning_header
from isthmus.common.errors import Incomplete, IsthmusError
from isthmus.common.messages import Lacking
from isthmus.common.telemetry import get_logger, record_failure
from isthmus.wado.answers.conditional import ETag, is_unchanged, range_applies
from isthmus.wado.answers.ranges import byte_range

_LARGEST_CHUNK: Final = 4 * 1024 * 1024
"""Bytes that are handed to the server at once: it copies them, and the loop waits."""
_OF_CONTENT: Final = {"Content-Type", "Content-Length"}
CACHING: Final = {"Cache-Control": "private, no-cache", "Vary": "Accept"}
"""Who read it may keep it, and asks each time whether it is still so: rights and origins change."""

log = get_logger(__name__)


@dataclass(frozen=True)
class Body:
    """A 200 that is ready to go out, or a 206 where it is known that something lacks (PS3.18 10.4.3)."""

    headers: Mapping[str, str]
    chunks: AsyncGenerator[bytes, None]
    lacking: Lacking | None = None
    etag: ETag | None = None
    """Names what is sent, if nothing lacks."""
    part: Callable[[int, int], AsyncGenerator[bytes, None]] | None = None
    """Gives so many bytes from an offset on, of a body with a Content-Length; see `pieces.body_of`."""
    warnings: tuple[str, ...] = ()
    """What the client should know beside; no patient data."""
    partial: bool = False
    """Whether something is left out of what was asked for, which the warnings tell."""


def unchanged(etag: ETag) -> Body:
    """Give the answer to a client for which `is_unchanged` is true."""
    return Body({}, nothing(), etag=etag)


Endpoint = Callable[[Request], AbstractAsyncContextManager[Body]]
"""Gives the body once its first bytes are certain; what it holds open is closed after the last of them."""


class Streamed:
    """An endpoint as an ASGI application; ends as soon as the client leaves, also before the status line."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        exchange = _Exchange(Request(scope), send)
        answering = asyncio.create_task(exchange.answer(self.endpoint))
        leaving = asyncio.create_task(_disconnected(receive))
        try:
            await asyncio.wait({answering, leaving}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            # Servers also tell of a disconnect when the body is out: what closes then must not be disturbed.
            if not exchange.whole:
                await end_tasks([answering])
            await end_tasks([leaving])
            await asyncio.wait([answering])
        if answering.cancelled():
            log.info("client left", sent_bytes=exchange.sent)
        else:
            answering.result()


class _Exchange:
    def __init__(self, request: Request, send: Send) -> None:
        self.request = request
        self.send = send
        self.sent = 0
        self.started = False
        self.whole = False

    async def answer(self, endpoint: Endpoint) -> None:
        try:
            async with endpoint(self.request) as body, aclosing(body.chunks):
                answer = _Answer.of(self.request, body)
                await self.start(answer)
                if self.request.method != "HEAD":
                    async with aclosing(answer.chunks) as chunks:
                        async for chunk in chunks:
                            await self.send_chunk(chunk)
                self.whole = True
                await self.send(_body(b"", more=False))
        except IsthmusError as error:
            if not self.started:
                raise
            if self.whole:
                log.warning("failed after the body", reason=error.title)
                return
            # An application that returns without the end of the body makes its server close the connection.
            missing = len(error.missing) if isinstance(error, Incomplete) else None
            log.error("body broken off", reason=error.title, missing=missing, sent_bytes=self.sent)
            record_failure(get_current_span(), error)

    async def start(self, answer: "_Answer") -> None:
        lines = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in answer.headers]
        self.started = True
        await self.send({"type": "http.response.start", "status": answer.status.value, "headers": lines})

    async def send_chunk(self, chunk: bytes) -> None:
        for start in range(0, len(chunk), _LARGEST_CHUNK):
            piece = chunk if len(chunk) <= _LARGEST_CHUNK else chunk[start : start + _LARGEST_CHUNK]
            await self.send(_body(piece, more=True))
            self.sent += len(piece)


@dataclass(frozen=True)
class _Answer:
    """What a client gets of a body: all of it, some bytes, or the word that it has it."""

    status: HTTPStatus
    headers: list[tuple[str, str]]
    chunks: AsyncGenerator[bytes, None]

    @classmethod
    def of(cls, request: Request, body: Body) -> "_Answer":
        """Decide it.

        Raises:
            RangeNotSatisfiable: the bytes that are wanted lie beyond the end.
        """
        headers = {**CACHING, **body.headers}
        if body.lacking is not None or body.partial:
            lacks = [] if body.lacking is None else [_what_lacks(body.lacking)]
            warnings = [*lacks, *body.warnings]
            lines = [*headers.items(), *_warnings(request, warnings)]
            return cls(HTTPStatus.PARTIAL_CONTENT, lines, body.chunks)
        if body.etag is not None:
            headers["ETag"] = str(body.etag)
            if is_unchanged(request, body.etag):
                kept = {name: value for name, value in headers.items() if name not in _OF_CONTENT}
                return cls(HTTPStatus.NOT_MODIFIED, list(kept.items()), nothing())
        status, chunks = HTTPStatus.OK, body.chunks
        if body.part is not None:
            headers["Accept-Ranges"] = "bytes"
            wanted = request.headers.get("range") if request.method == "GET" else None
            if wanted is not None and range_applies(request, body.etag):
                found = byte_range(wanted, int(headers["Content-Length"]))
                if found is not None:
                    status, chunks = HTTPStatus.PARTIAL_CONTENT, body.part(found.offset, found.length)
                    headers["Content-Length"] = str(found.length)
                    headers["Content-Range"] = found.content_range
        return cls(status, [*headers.items(), *_warnings(request, body.warnings)], chunks)


def _warnings(request: Request, texts: Iterable[str]) -> Iterator[tuple[str, str]]:
    for text in texts:
        service = f"{public_base_url(request)}{service_path(origin_in(request.path_params))}"
        yield "Warning", warning_header(service, text)


def _what_lacks(lacking: Lacking) -> str:
    count = len(lacking.missing) + lacking.unnamed
    title, status = lacking.failure.error().title, lacking.failure.status
    reason = title if status is None else f"{title} (DIMSE status {status:04X})"
    return f"{count} {'instance is' if count == 1 else 'instances are'} missing: {reason}"


def _body(chunk: bytes, *, more: bool) -> Message:
    return {"type": "http.response.body", "body": chunk, "more_body": more}


async def nothing() -> AsyncGenerator[bytes, None]:
    """Give no bytes, where the headers are all that is wanted."""
    return
    yield


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
