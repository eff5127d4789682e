"""Connections on whose TLS handshake nobody waits any more.

httpcore2 closes one whose handshake fails, but not one whose handshake is cancelled: the socket would stay
open until it is garbage.
"""

from collections.abc import Mapping

from httpcore2 import AsyncNetworkStream


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
