"""Whatever comes over an HTTP connection, in whatever pieces, nothing is raised."""

import asyncio

import uvicorn
from hypothesis import example, given
from hypothesis import strategies as st
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from isthmus.common.config.limits import Limits
from isthmus.common.service.protocol import bounded

LIMITS = Limits(max_headers=10, max_header_bytes=4096)
_GRAMMAR = (
    b"GET / HTTP/1.1\r\n",
    b"POST / HTTP/1.1\r\n",
    b"HEAD / HTTP/1.0\r\n",
    b"Host: here\r\n",
    b"Connection: Upgrade\r\nUpgrade: websocket\r\n",
    b"Expect: 100-continue\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Content-Length: 3\r\n",
    b"\r\n",
    b"abc",
    b"1\r\nx\r\n",
    b"0\r\n\r\n",
    b"1;" + b"e" * 3000,
    b"A: " + b"a" * 3000,
)
PIECES = st.lists(st.sampled_from(_GRAMMAR) | st.binary(max_size=40), max_size=30)


class Transport(asyncio.Transport):
    """Takes what is written, and does nothing with it."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self._is_closing = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += bytes(data)

    def write_eof(self) -> None:
        pass

    def close(self) -> None:
        self._is_closing = True

    def is_closing(self) -> bool:
        return self._is_closing

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with the size of the body, or not at all where the client has left."""
    request = Request(scope, receive)
    size = len(await request.body())
    await Response(str(size))(scope, receive, send)


async def converse(pieces: list[bytes]) -> Transport:
    config = uvicorn.Config(app, http=bounded(LIMITS), ws="none", lifespan="off", log_config=None)
    config.load()
    server = uvicorn.Server(config)
    failures: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: failures.append(context))
    protocol = bounded(LIMITS)(config, server.server_state, {})
    transport = Transport()
    protocol.connection_made(transport)
    for piece in pieces:
        protocol.data_received(piece)
        await asyncio.sleep(0)
    protocol.connection_lost(None)
    await asyncio.gather(*server.server_state.tasks, return_exceptions=True)
    assert failures == []
    return transport


@given(PIECES)
@example([b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", b"1;" + b"e" * 5000, b"0\r\n\r\n"])
@example([b"GET / HTTP/1.1\r\n\r\n" * 3, b"GET / HTTP/1.1\r\nA: " + b"a" * 5000])
def test_nothing_is_raised_and_what_is_answered_is_http(pieces: list[bytes]) -> None:
    written = asyncio.run(converse(pieces)).written
    assert not written or written.startswith(b"HTTP/1.1 ")
    assert b"Internal Server Error" not in written
