"""What is measured of one HTTP request: its time, its bytes both ways, and whether it came to its end."""

from collections.abc import Iterator
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
"""The `error.type` of an answer that nobody waited for to its end."""
BROKEN_OFF: Final = "broken_off"
"""The `error.type` of an answer that we did not bring to its end, though somebody waited for it."""


class Traffic:
    """Passes on what comes and goes, and counts it."""

    def __init__(self, method: str, receive: Receive, send: Send) -> None:
        self.labels: dict[str, str | int] = {HTTP_REQUEST_METHOD: method}
        """What the numbers are told with; more may be added until the end."""
        self._method = method
        self._receive = receive
        self._send = send
        self._received = 0
        self._sent = 0
        self._answered: int | None = None
        self._is_complete = False
        self._has_left = False

    @property
    def status(self) -> int | None:
        """What is answered: by the server where the application says nothing; None where nobody is there."""
        if self._answered is None and not self._has_left:
            return 500
        return self._answered

    @contextmanager
    def measured(self) -> Iterator[None]:
        """Measure the request that is served in the block."""
        began = perf_counter()
        active_requests.add(1, {HTTP_REQUEST_METHOD: self._method})
        raised: str | None = None
        try:
            yield
        except BaseException as error:
            raised = type(error).__qualname__
            raise
        finally:
            active_requests.add(-1, {HTTP_REQUEST_METHOD: self._method})
            ended = self._error(raised)
            labels = self.labels if ended is None else {**self.labels, ERROR_TYPE: ended}
            request_duration.record(perf_counter() - began, labels)
            request_body.record(self._received, labels)
            response_body.record(self._sent, labels)

    def _error(self, raised: str | None) -> str | None:
        if raised is not None:
            return raised
        status = self.status
        if status is None or (self._has_left and not self._is_complete):
            return DISCONNECTED
        if status >= 500:
            return str(status)
        return None if self._is_complete else BROKEN_OFF

    async def receive(self) -> Message:
        """Give what comes next (ASGI)."""
        message = await self._receive()
        if message["type"] == "http.request":
            self._received += len(message.get("body", b""))
        elif message["type"] == "http.disconnect":
            self._has_left = True
        return message

    async def send(self, message: Message) -> None:
        """Send something (ASGI); what is said to a client who has left is no answer."""
        if message["type"] == "http.response.start" and not self._has_left:
            self._answered = message["status"]
        await self._send(message)
        if message["type"] == "http.response.body":
            if self._method != "HEAD":  # of which the server leaves out the body
                self._sent += len(message.get("body", b""))
            self._is_complete = not message.get("more_body", False)
