"""A DICOMweb origin that speaks HTTP/2 (RFC 9113), and does to each stream what a test tells it to."""

import asyncio
import ssl
from collections.abc import Callable, Coroutine

import h2.config
import h2.connection
import h2.events

from isthmus.common.bus import end_tasks
from tests.common.webclient.listener import Listener

Behaviour = Callable[["Stream"], Coroutine[None, None, None]]


class Stream:
    """One request, and the way back."""

    def __init__(self, connection: "_Connection", number: int, headers: dict[str, str]) -> None:
        self._connection = connection
        self.number = number
        self.headers = headers
        self.body = b""
        self.is_whole = asyncio.Event()

    async def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        """Answer with all of it."""
        self.begin(status, **headers)
        await self.send(body)
        await self.end()

    def begin(self, status: int, **headers: str) -> None:
        named = [(name.replace("_", "-"), value) for name, value in headers.items()]
        self._connection.h2.send_headers(self.number, [(":status", str(status)), *named])
        self._connection.flush()

    async def send(self, body: bytes) -> None:
        """Send so much as the client takes."""
        while body:
            room = self._connection.h2.local_flow_control_window(self.number)
            if room <= 0:
                self._connection.room.clear()
                await self._connection.room.wait()
                continue
            piece, body = body[: min(room, 16384)], body[min(room, 16384) :]
            self._connection.h2.send_data(self.number, piece)
            self._connection.flush()
            await self._connection.writer.drain()

    async def end(self) -> None:
        self._connection.h2.end_stream(self.number)
        self._connection.flush()

    def reset(self) -> None:
        self._connection.h2.reset_stream(self.number)
        self._connection.flush()


class _Connection:
    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self.writer = writer
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
        self.room = asyncio.Event()
        self.streams: dict[int, Stream] = {}

    def flush(self) -> None:
        self.writer.write(self.h2.data_to_send())


class Http2Site(Listener):
    """Does the same to each stream."""

    def __init__(self, tls: ssl.SSLContext, behaviour: Behaviour) -> None:
        super().__init__(tls)
        self.behaviour = behaviour
        self.streams: list[Stream] = []

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}/dicom-web"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = _Connection(writer)
        connection.h2.initiate_connection()
        connection.flush()
        begun: set[asyncio.Task[None]] = set()
        try:
            while data := await reader.read(65536):
                for event in connection.h2.receive_data(data):
                    self._take(connection, event, begun)
                connection.flush()
        finally:
            await end_tasks(begun)

    def _take(self, connection: _Connection, event: h2.events.Event, begun: set[asyncio.Task[None]]) -> None:
        match event:
            case h2.events.RequestReceived():
                headers = {bytes(k).decode(): bytes(v).decode() for k, v in event.headers}
                stream = Stream(connection, event.stream_id, headers)
                connection.streams[event.stream_id] = stream
                self.streams.append(stream)
                begun.add(asyncio.get_running_loop().create_task(self.behaviour(stream)))
            case h2.events.DataReceived():
                connection.streams[event.stream_id].body += event.data
                connection.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            case h2.events.StreamEnded():
                connection.streams[event.stream_id].is_whole.set()
            case h2.events.WindowUpdated():
                connection.room.set()
