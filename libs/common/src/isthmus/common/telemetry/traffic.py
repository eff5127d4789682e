"""What is measured of one HTTP request: its time, its bytes both ways, and whether it came to its end."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from time import perf_counter
from typing import Final

from starlette.types import Message, Receive, Send

from isthmus.common.telemetry.attributes import ERROR_TYPE, HTTP_REQUEST_METHOD
from isthmus.common.telemetry.instruments import (
    active_requests,
    request_body,
    request_duration,
    response_body,
)

DISCONNECTED: Final = "disconnected"
"""The `error.type` of an answer that nobody took to its end."""


class Traffic:
    """Passes on what comes and goes, and counts it."""

    def __init__(self, method: str, receive: Receive, send: Send) -> None:
        self.labels: dict[str, str | int] = {HTTP_REQUEST_METHOD: method}
        """What the numbers are told with; more may be added until the end."""
        self.status = 500
        """What the server answers if the application fails before it answers."""
        self._method = method
        self._receive = receive
        self._send = send
        self._received = 0
        self._sent = 0
        self._is_complete = False

    @contextmanager
    def measured(self) -> Iterator[None]:
        """Measure the request that is served in the block."""
        began = perf_counter()
        active_requests.add(1, {HTTP_REQUEST_METHOD: self._method})
        error: str | None = None
        try:
            yield
        except BaseException as raised:
            error = type(raised).__qualname__
            raise
        finally:
            active_requests.add(-1, {HTTP_REQUEST_METHOD: self._method})
            labels = {**self.labels, **self._error(error)}
            request_duration.record(perf_counter() - began, labels)
            request_body.record(self._received, labels)
            response_body.record(self._sent, labels)

    def _error(self, raised: str | None) -> Mapping[str, str]:
        error = raised or (str(self.status) if self.status >= 500 else None)
        if error is None and not self._is_complete:
            error = DISCONNECTED
        return {} if error is None else {ERROR_TYPE: error}

    async def receive(self) -> Message:
        """Give what comes next (ASGI)."""
        message = await self._receive()
        if message["type"] == "http.request":
            self._received += len(message.get("body", b""))
        return message

    async def send(self, message: Message) -> None:
        """Send something (ASGI)."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
        await self._send(message)
        if message["type"] == "http.response.body":
            if self._method != "HEAD":  # of which the server leaves out the body
                self._sent += len(message.get("body", b""))
            self._is_complete = not message.get("more_body", False)
