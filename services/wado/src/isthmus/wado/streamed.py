"""Bodies that are sent while they are made, and that never end cleanly unless they are whole.

A status line, once out, cannot be taken back. So an endpoint here waits for the first of what it sends,
and what fails until then is an ordinary error response. What fails later leaves the body without its last
chunk, or shorter than its Content-Length; every HTTP client can tell (RFC 9112 8).
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, aclosing
from dataclasses import dataclass
from http import HTTPStatus

from opentelemetry.trace import get_current_span
from starlette.requests import Request
from starlette.types import Message, Receive, Scope, Send

from isthmus.common.bus import end_tasks
from isthmus.common.dicomweb.resource import origin_in, public_base_url, service_path
from isthmus.common.dicomweb.warning import warning_header
from isthmus.common.errors import Incomplete, IsthmusError
from isthmus.common.messages import Lacking
from isthmus.common.telemetry import get_logger, record_failure

log = get_logger(__name__)


@dataclass(frozen=True)
class Body:
    """A 200 that is ready to go out, or a 206 where it is known that something lacks (PS3.18 10.4.3)."""

    headers: Mapping[str, str]
    chunks: AsyncGenerator[bytes, None]
    lacking: Lacking | None = None


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
                await self.start(body)
                if self.request.method != "HEAD":
                    async for chunk in body.chunks:
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

    async def start(self, body: Body) -> None:
        status, headers = HTTPStatus.OK, dict(body.headers)
        if body.lacking is not None:
            status = HTTPStatus.PARTIAL_CONTENT
            service = public_base_url(self.request) + service_path(origin_in(self.request.path_params))
            headers["Warning"] = warning_header(service, _what_lacks(body.lacking))
        raw = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
        self.started = True
        await self.send({"type": "http.response.start", "status": status.value, "headers": raw})

    async def send_chunk(self, chunk: bytes) -> None:
        await self.send(_body(chunk, more=True))
        self.sent += len(chunk)


def _what_lacks(lacking: Lacking) -> str:
    count = len(lacking.missing) + lacking.unnamed
    title, status = lacking.failure.error().title, lacking.failure.status
    reason = title if status is None else f"{title} (DIMSE status {status:04X})"
    return f"{count} {'instance is' if count == 1 else 'instances are'} missing: {reason}"


def _body(chunk: bytes, *, more: bool) -> Message:
    return {"type": "http.response.body", "body": chunk, "more_body": more}


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
