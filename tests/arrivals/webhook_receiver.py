"""A receiver of webhooks that does what a test tells it to."""

import asyncio
import base64
import hashlib
import hmac
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from isthmus.common.bus import end_tasks
from tests.waiting import PATIENCE

OK = b"HTTP/1.1 204 No Content\r\n\r\n"


def status(line: str, *headers: str) -> bytes:
    """Give an answer without a body."""
    return "\r\n".join([f"HTTP/1.1 {line}", "Content-Length: 0", *headers, "", ""]).encode()


@dataclass(frozen=True)
class Request:
    """What came."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]


Behaviour = Callable[[Request, asyncio.StreamWriter], Coroutine[None, None, None]]


class WebhookReceiver:
    """Answers 204; `behaviour` may be another one."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self._tls = tls
        self.requests: asyncio.Queue[Request] = asyncio.Queue()
        self.behaviour: Behaviour = say(OK)
        self.connections = 0
        self.open = 0
        self.most_open = 0
        self.port = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    async def listen(self) -> None:
        """Listen, after a break on the same port."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]

    async def leave(self) -> None:
        """Be away."""
        if self._server is not None:
            self._server.close()
        await end_tasks(self._tasks)

    async def take(self, count: int) -> list[Request]:
        """Wait for so many requests."""
        async with asyncio.timeout(PATIENCE):
            return [await self.requests.get() for _ in range(count)]

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        try:
            with suppress(asyncio.IncompleteReadError, ConnectionError):
                while True:
                    request = await _read(reader)
                    self.requests.put_nowait(request)
                    await _until_gone(reader, self.behaviour(request, writer))
                    await writer.drain()
        except asyncio.CancelledError:  # by `leave`: asyncio would complain of it
            pass
        finally:
            self.open -= 1
            self._tasks.discard(task)
            writer.close()


async def _read(reader: asyncio.StreamReader) -> Request:
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    first, *lines = head.strip().split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    return Request(first.split()[1], headers, await reader.readexactly(int(headers["content-length"])))


async def _until_gone(reader: asyncio.StreamReader, behaving: Coroutine[None, None, None]) -> None:
    """Behave for as long as the client is there; it sends nothing while it waits for the answer."""
    both = [asyncio.ensure_future(behaving), asyncio.ensure_future(reader.read(1))]
    try:
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
    finally:
        await end_tasks(both)


def say(*answers: bytes) -> Behaviour:
    """Give these answers, one after the other, and the last one from then on."""
    left = list(answers)

    async def behaviour(_: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(left.pop(0) if len(left) > 1 else left[0])

    return behaviour


def refuse(ids: Sequence[str], answer: bytes) -> Behaviour:
    """Give this answer to these events, and take all others."""

    async def behaviour(request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(answer if request.id in ids else OK)

    return behaviour


async def never(_: Request, __: asyncio.StreamWriter) -> None:
    """Never answer."""
    await asyncio.Event().wait()


@asynccontextmanager
async def listening(tls: ssl.SSLContext | None = None) -> AsyncIterator[WebhookReceiver]:
    """Run a receiver."""
    receiver = WebhookReceiver(tls)
    await receiver.listen()
    try:
        yield receiver
    finally:
        await receiver.leave()


def signatures(request: Request, key: bytes) -> str:
    """Give the signature header that a request should have."""
    signed = f"{request.id}.{request.headers['webhook-timestamp']}.".encode() + request.body
    return "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
