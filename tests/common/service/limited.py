"""A face with limits, in a real uvicorn, and what comes back over a bare connection to it."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import orjson
from starlette.requests import Request
from starlette.responses import Response

from isthmus.common.access import PublicRoute
from isthmus.common.bus.ending import end_tasks
from isthmus.common.config import ListenAddress
from isthmus.common.config.limits import Limits
from isthmus.common.service.server import application, server
from tests.waiting import PATIENCE


async def taken(request: Request) -> Response:
    """Say how many bytes the body had."""
    return Response(str(len(await request.body())))


async def unread(_: Request) -> Response:
    """Answer without a look at the body."""
    return Response("early")


@asynccontextmanager
async def limited(limits: Limits) -> AsyncIterator[int]:
    """Serve on a free port of loopback, and give it."""
    routes = [
        PublicRoute("/", taken, methods=["GET", "POST"]),
        PublicRoute("/aets/pacs/studies", taken, methods=["GET", "POST"]),
        PublicRoute("/unread", unread, methods=["GET", "POST"]),
    ]
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = int(listening.getsockname()[1])
        running = server(application(routes, limits=limits), ListenAddress(f"127.0.0.1:{port}"), limits)
        task = asyncio.create_task(running.serve(sockets=[listening]))
        try:
            yield port
        finally:
            running.should_exit = True
            await task


class Connection:
    """A connection over which a test says what it likes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self.writer = writer

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def answer(self) -> tuple[int, bytes]:
        """Give the status and the body of the next answer."""
        async with asyncio.timeout(PATIENCE):
            head = await self._reader.readuntil(b"\r\n\r\n")
            lines = head.decode().lower().split("\r\n")
            length = next(line for line in lines if line.startswith("content-length:")).partition(":")[2]
            return int(lines[0].split()[1]), await self._reader.readexactly(int(length))

    async def problem(self) -> tuple[int, str]:
        """Give the status and the detail of the next answer, which is a problem."""
        status, body = await self.answer()
        problem = orjson.loads(body)
        assert problem["status"] == status
        return status, problem["detail"]

    async def end(self) -> bytes:
        """Give what comes until the other end closes."""
        async with asyncio.timeout(PATIENCE):
            with suppress(ConnectionResetError):  # what was still on its way to it is unread
                return await self._reader.read()
            return b""

    @asynccontextmanager
    async def trickling(self, data: bytes = b"x", seconds: float = 0.02) -> AsyncIterator[None]:
        """Send one byte after the other meanwhile, or as long as the other end takes them."""

        async def trickle() -> None:
            with suppress(ConnectionError):
                while True:
                    self.send(data)
                    await self.writer.drain()
                    await asyncio.sleep(seconds)

        task = asyncio.create_task(trickle())
        try:
            yield
        finally:
            await end_tasks([task])


@asynccontextmanager
async def connected(port: int) -> AsyncIterator[Connection]:
    """Connect to it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield Connection(reader, writer)
    finally:
        writer.close()
