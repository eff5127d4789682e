"""An HTTP server of a few lines, for what no real one would do."""

import asyncio
from collections.abc import Awaitable, Callable

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Face:
    """Answers with its name; the handler can be replaced."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.address = ""
        self.heads: list[str] = []
        self.handler: Handler = self._answer

    async def start(self, port: int = 0) -> asyncio.Server:
        server = await asyncio.start_server(self._serve, "127.0.0.1", port)
        self.address = "{}:{}".format(*server.sockets[0].getsockname())
        return server

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.heads.append((await reader.readuntil(b"\r\n\r\n")).decode())
        await self.handler(reader, writer)
        writer.close()

    async def _answer(self, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        body = self.name.encode()
        writer.write(
            b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
        )
        await writer.drain()


def answer(status: str, content_type: str, body: bytes, *, length: int | None = None) -> Handler:
    """Give a handler that answers so; a length that is not the body's makes it break off."""

    async def handler(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = f"HTTP/1.1 {status}\r\nConnection: close\r\nContent-Type: {content_type}\r\n"
        writer.write(
            f"{head}Content-Length: {len(body) if length is None else length}\r\n\r\n".encode() + body
        )
        await writer.drain()

    return handler
