"""What of a request is bounded before, and while, a face reads it: its query, its body, the body's pace."""

import asyncio
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from isthmus.common.config.limits import Limits
from isthmus.common.dicomweb.problem import problem_response
from isthmus.common.errors import QueryTooLong, TooLarge, TooSlow

_OF_A_BODY: Final = frozenset({b"content-length", b"transfer-encoding"})
"""A request without these has none (RFC 9112 6.3)."""
_LONGEST_NUMBER: Final = 18
"""Digits of a Content-Length that is worth reading."""


class LimitRequests:
    """The ASGI layer right around the routes: they answer what it raises while they read."""

    def __init__(self, app: ASGIApp, limits: Limits) -> None:
        self._app = app
        self._limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = {name: value for name, value in scope["headers"] if name in _OF_A_BODY}
        error = self._judge(scope, headers.get(b"content-length"))
        if error is not None:
            await problem_response(error)(scope, receive, send)
        elif headers:
            await self._app(scope, _Body(receive, self._limits).receive, send)
        else:
            await self._app(scope, receive, send)

    def _judge(self, scope: Scope, length: bytes | None) -> QueryTooLong | TooLarge | None:
        """Tell what is wrong with what is known of a request before its body."""
        most = self._limits.max_query_bytes
        if len(scope["query_string"]) > most:
            return QueryTooLong(f"The query has more than {most} bytes (limits.max_query_bytes)")
        if length is not None and length.isdigit():
            size = int(length) if len(length) <= _LONGEST_NUMBER else self._limits.max_body_bytes + 1
            if size > self._limits.max_body_bytes:
                return _too_large(self._limits)
        return None


class _Body:
    """The body of one request, as its face asks for it."""

    def __init__(self, receive: Receive, limits: Limits) -> None:
        self._receive = receive
        self._limits = limits
        self._size = 0
        self._recent = 0
        """Bytes since they were last found to be enough."""
        self._left = limits.body_seconds
        """Seconds of waiting in which there must be enough again."""
        self._has_ended = False

    async def receive(self) -> Message:
        """Give what comes next.

        Raises:
            TooLarge: it is more than a body may be.
            TooSlow: too little came of it while we waited.
        """
        if self._has_ended:
            return await self._receive()  # the word that the client has left: that may take any time
        message = await self._next()
        if message["type"] == "http.request":
            self._take(len(message.get("body", b"")))
            self._has_ended = not message.get("more_body", False)
        else:
            self._has_ended = True
        return message

    async def _next(self) -> Message:
        """Wait, and count the time: what the face does meanwhile is not the client's fault."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            async with asyncio.timeout(self._left):
                return await self._receive()
        except TimeoutError:
            limits = self._limits
            raise TooSlow(
                f"In {limits.body_seconds:g} s the body did not go on by {limits.min_body_bytes} bytes"
                " (limits.body_seconds, limits.min_body_bytes)"
            ) from None
        finally:
            self._left -= loop.time() - began

    def _take(self, size: int) -> None:
        self._size += size
        if self._size > self._limits.max_body_bytes:
            raise _too_large(self._limits)
        self._recent += size
        if self._recent >= self._limits.min_body_bytes:
            self._recent, self._left = 0, self._limits.body_seconds


def _too_large(limits: Limits) -> TooLarge:
    return TooLarge(f"The body has more than {limits.max_body_bytes} bytes (limits.max_body_bytes)")
