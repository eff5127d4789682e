"""The HTTP connection of a service: uvicorn's, with a bound on headers in size, number and time.

uvicorn waits for ever for the end of a request's headers, and takes any number of them of any size. What is
beyond a bound is answered here, before the application hears of the request, and the connection closed.
"""

from asyncio import TimerHandle, Transport
from http import HTTPStatus
from typing import Final

import orjson
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from isthmus.common.config.limits import Limits

LINGER_SECONDS: Final = 2.0
"""In which who was refused may read why: with what it still sends unread, a connection is reset at once."""
_AROUND: Final = len(b": \r\n")
"""Bytes beside the name and the value of a header."""
_REQUEST_LINE: Final = 64
"""Bytes beside the URL and the headers."""


def bounded(limits: Limits) -> type[HttpToolsProtocol]:
    """Make the class of connections with these limits, as uvicorn takes it; those of headers count here."""

    class Bounded(BoundedProtocol):
        pass

    Bounded.limits = limits
    return Bounded


class BoundedProtocol(HttpToolsProtocol):
    """A connection, and how much of a request, and for how long, it has been reading."""

    limits: Limits
    _deadline: TimerHandle | None = None
    """Runs while headers are on their way, or what is left of a body that was answered already."""
    _header_bytes = 0
    """Of the URL and the headers of one request."""
    _unfinished = 0
    """Bytes that are neither told as headers nor as body yet: the parser holds them, or skips them."""
    _is_in_headers = False
    _is_refused = False

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Begin: who connects has something to ask."""
        super().connection_made(transport)
        self._begin_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        self._end_reading()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what came."""
        if self._is_refused or self.transport.is_closing():
            return
        if self._is_idle:
            self._begin_reading()
        self._unfinished += len(data)
        super().data_received(data)
        if self._unfinished > self.limits.max_header_bytes + _REQUEST_LINE:
            self._refuse_size()

    @property
    def _is_idle(self) -> bool:
        """Whether no request is being answered."""
        return self.cycle is None or self.cycle.response_complete

    def on_message_begin(self) -> None:
        """Begin to count."""
        super().on_message_begin()
        self._header_bytes = 0
        self._is_in_headers = True

    def on_url(self, url: bytes) -> None:
        """Take the URL, or a part of it."""
        super().on_url(url)
        self._header_bytes += len(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header; of a trailer nobody here makes anything."""
        if self._is_in_headers:
            self._header_bytes += len(name) + len(value) + _AROUND
            if len(self.headers) <= self.limits.max_headers:
                super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Hand a request to the application, unless its headers are too much."""
        self._is_in_headers = False
        self._unfinished = 0
        if self._header_bytes > self.limits.max_header_bytes:
            self._refuse_size()
        elif len(self.headers) > self.limits.max_headers:
            self._refuse(
                HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
                f"The request has more than {self.limits.max_headers} headers (limits.max_headers)",
            )
        elif not self._is_refused:
            self._end_reading()
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Take a piece of a body."""
        self._unfinished = 0
        if not self._is_refused:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """Take note of the end of a request."""
        self._unfinished = 0
        if not self._is_refused:
            super().on_message_complete()

    def _begin_reading(self) -> None:
        if self._deadline is None:
            self._deadline = self.loop.call_later(self.limits.header_seconds, self._expired)

    def _end_reading(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _expired(self) -> None:
        self._deadline = None
        if self._is_in_headers:
            seconds = self.limits.header_seconds
            self._refuse(
                HTTPStatus.REQUEST_TIMEOUT,
                f"The headers did not end within {seconds:g} s (limits.header_seconds)",
            )
        else:  # it has said nothing, or goes on with what was answered already
            self.transport.close()

    def _refuse_size(self) -> None:
        most = self.limits.max_header_bytes
        self._refuse(
            HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
            f"The URL and the headers have more than {most} bytes (limits.max_header_bytes)",
        )

    def send_400_response(self, msg: str) -> None:
        """Answer to what is no HTTP, as a problem; upstream does in the middle of another answer too."""
        self._refuse(HTTPStatus.BAD_REQUEST, msg)

    def _refuse(self, status: HTTPStatus, detail: str) -> None:
        """Take no more, and answer, where no answer to anything is under way; then close."""
        self._end_reading()
        self._is_refused = True
        if self._is_idle:
            self._answer(status, detail)
        elif not self.cycle.more_body:  # it comes behind a request that is whole: that one is answered first
            self.cycle.keep_alive = False
        elif self.cycle.response_started or self.pipeline:
            self.transport.close()
        else:
            self.cycle.disconnected = True  # what the application says to it from now on goes nowhere
            self.cycle.message_event.set()
            self._answer(status, detail)

    def _answer(self, status: HTTPStatus, detail: str) -> None:
        problem = {"type": "about:blank", "title": status.phrase, "status": status.value, "detail": detail}
        body = orjson.dumps(problem)
        head = (
            f"HTTP/1.1 {status.value} {status.phrase}\r\ncontent-type: application/problem+json\r\n"
            f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + body)
        self.transport.write_eof()
        self.loop.call_later(LINGER_SECONDS, self.transport.close)
