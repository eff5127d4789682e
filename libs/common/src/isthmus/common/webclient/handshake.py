"""Connections on whose TLS handshake nobody waits any more.

httpcore2 closes one whose handshake fails, but not one whose handshake is cancelled: the socket would stay
open until it is garbage.
"""

from collections.abc import Mapping

import httpx2
from httpcore2 import AsyncNetworkStream


async def send(http: httpx2.AsyncClient, request: httpx2.Request) -> httpx2.Response:
    """Send a request and wait for the headers of its answer; add no credentials, follow no redirect.

    Raises:
        httpx2.HTTPError: no answer comes.
    """
    handshake = Handshake()
    request.extensions["trace"] = handshake.watch
    try:
        return await http.send(request, stream=True, auth=None, follow_redirects=False)
    except BaseException:
        await handshake.abandon()
        raise


class Handshake:
    """Watches a request by httpcore2's `trace` extension."""

    def __init__(self) -> None:
        self._stream: AsyncNetworkStream | None = None

    async def watch(self, event: str, told: Mapping[str, object]) -> None:
        """Hear what happens: the names are `connection.connect_tcp.complete` and such."""
        if event.endswith("connect_tcp.complete"):
            stream = told["return_value"]
            self._stream = stream if isinstance(stream, AsyncNetworkStream) else None
        elif event.endswith("start_tls.complete"):
            self._stream = None

    async def abandon(self) -> None:
        """Close the connection, if it is in a handshake."""
        stream, self._stream = self._stream, None
        if stream is not None:
            await stream.aclose()
