"""A DICOMweb origin that does what a test tells it to, byte by byte."""

import asyncio
import json
import ssl
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path

from isthmus.common.config import DicomwebOrigin
from tests.common.webclient.listener import Listener

STUDY = {"0020000D": {"vr": "UI", "Value": ["1.2"]}}


@dataclass(frozen=True)
class Request:
    """What came."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    reader: asyncio.StreamReader = field(repr=False, compare=False)
    """Of the connection, to see when the other side leaves."""


Behaviour = Callable[[Request, asyncio.StreamWriter], Coroutine[None, None, None]]


class Site(Listener):
    """It does one thing after the other, and the last one for ever."""

    def __init__(self, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> None:
        super().__init__(tls, host)
        self._behaviours: list[Behaviour] = [says("200 OK", json.dumps([STUDY]))]
        self.requests: list[Request] = []
        self.asked = asyncio.Event()
        """Set when a request has come."""

    @property
    def url(self) -> str:
        return f"{'http' if self._tls is None else 'https'}://{self._host}:{self.port}/dicom-web"

    def does(self, *behaviours: Behaviour) -> None:
        self._behaviours = list(behaviours)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while not writer.is_closing():
            request = await _request(reader)
            self.requests.append(request)
            self.asked.set()
            behaviour = self._behaviours.pop(0) if len(self._behaviours) > 1 else self._behaviours[0]
            await behaviour(request, writer)
            await writer.drain()


async def _request(reader: asyncio.StreamReader) -> Request:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    method, target, _ = head[0].split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:-2])}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    if headers.get("transfer-encoding") == "chunked":
        while size := int(await reader.readuntil(b"\r\n"), 16):
            body += await reader.readexactly(size)
            await reader.readexactly(2)
        await reader.readexactly(2)
    return Request(method, target, headers, body, reader)


def says(
    status: str, body: str | bytes = b"", *headers: str, kind: str = "application/dicom+json"
) -> Behaviour:
    """Answer with a body of the length that it has."""
    content = body.encode() if isinstance(body, str) else body
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(content)}", *headers]
    if content:
        lines.append(f"Content-Type: {kind}")
    return writes("\r\n".join([*lines, "", ""]).encode() + content)


def writes(data: bytes, *, ends: bool = False) -> Behaviour:
    """Send these bytes, and maybe end the connection then."""

    async def behaviour(_: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        if ends:
            writer.close()

    return behaviour


def writes_then_is_silent(data: bytes = b"") -> Behaviour:
    """Send these bytes, and nothing more, until the other side leaves."""

    async def behaviour(request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        await writer.drain()
        while await request.reader.read(65536):
            pass

    return behaviour


def goes_on_for_ever(head: bytes, chunk: bytes) -> Behaviour:
    """Send a beginning, and then the same again and again."""

    async def behaviour(_: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(head)
        while not writer.is_closing():
            writer.write(chunk)
            await writer.drain()

    return behaviour


def multipart(*contents: bytes, boundary: str = "frontier") -> bytes:
    """A body of parts of instances."""
    parts = [
        f"--{boundary}\r\nContent-Type: application/dicom\r\n\r\n".encode() + one + b"\r\n"
        for one in contents
    ]
    return b"".join([*parts, f"--{boundary}--\r\n".encode()])


MULTIPART = 'multipart/related; type="application/dicom"; boundary=frontier'


def origin_at(url: str, **more: object) -> DicomwebOrigin:
    """Give the settings of an origin."""
    settings: dict[str, object] = {
        "name": "cloud",
        "protocol": "dicomweb",
        "ae_title": "CLOUD",
        "url": url,
        "timeout_seconds": 600,
    }
    return DicomwebOrigin.model_validate(settings | more)


def written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path
