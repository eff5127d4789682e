"""The load generator: `python -m bench.load`, clients as JSON on standard input, answers on standard output.

One thread, one buffer, bare sockets: a client in Python that does more would be slower than what it measures.
"""

import json
import os
import selectors
import socket
import sys
import time
from collections import deque
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from bench.exchange import Answer, Ask
from bench.response import Response

_BUFFER: Final = 1024 * 1024
_BOUNDARY: Final = "the-boundary-of-the-benchmark"
_SILENCE_SECONDS: Final = 120.0

_READ, _WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE


class Client:
    """One client: its connection, the request that goes out, and the response that comes in."""

    def __init__(self, ask: Ask) -> None:
        self.ask = ask
        self.urls: Final = ask.urls
        self.answers: list[Answer] = []
        self.response = Response()
        self.first_byte: float | None = None
        self._url = urlsplit(ask.url)
        self._socket: socket.socket | None = None
        self._started = 0.0
        self._outgoing: deque[bytes | Path] = deque()
        self._offset = 0

    @property
    def _connection(self) -> socket.socket:
        if self._socket is None:
            raise RuntimeError("not started")
        return self._socket

    def start(self, selector: selectors.BaseSelector) -> None:
        """Send the request, on a new connection if there is none."""
        self._started = time.perf_counter()
        self.response, self.first_byte = Response(), None
        if self._socket is None:
            self._socket = socket.create_connection((self._url.hostname or "", self._url.port or 80))
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._socket.setblocking(False)
            selector.register(self._socket, _READ | _WRITE, self)
        else:
            selector.modify(self._socket, _READ | _WRITE, self)
        self._outgoing = deque(_request(self.ask, self.urls[len(self.answers)]))
        self._offset = 0

    def write(self, selector: selectors.BaseSelector) -> None:
        """Send what the connection takes; a face may answer before it has read all."""
        while self._outgoing:
            piece = self._outgoing[0]
            try:
                self._offset += self._send(piece)
            except BlockingIOError:
                return
            except (BrokenPipeError, ConnectionResetError):
                self._outgoing.clear()
                break
            if self._offset == (len(piece) if isinstance(piece, bytes) else piece.stat().st_size):
                self._outgoing.popleft()
                self._offset = 0
        selector.modify(self._connection, _READ, self)

    def _send(self, piece: bytes | Path) -> int:
        if isinstance(piece, bytes):
            return self._connection.send(piece[self._offset :])
        with piece.open("rb") as file:
            return os.sendfile(self._connection.fileno(), file.fileno(), self._offset, _BUFFER)

    def read(self, buffer: bytearray, selector: selectors.BaseSelector) -> bool:
        """Take what came; whether this was the end of all that it asks."""
        try:
            count = self._connection.recv_into(buffer)
        except BlockingIOError:
            return False
        except ConnectionResetError:
            count = 0
        if count:
            self.response.feed(buffer, count)
        else:
            self.response.end()
        if self.first_byte is None and self.response.size:
            self.first_byte = time.perf_counter() - self._started
        if count and not self.response.done:
            return False
        self._finish()
        if not count or self.response.closes or len(self.answers) == len(self.urls):
            selector.unregister(self._connection)
            self._connection.close()
            self._socket = None
        if len(self.answers) < len(self.urls):
            self.start(selector)
            return False
        return True

    def _finish(self) -> None:
        seconds = time.perf_counter() - self._started
        self.answers.append(
            Answer(
                status=self.response.status,
                seconds=seconds,
                first_byte=seconds if self.first_byte is None else self.first_byte,
                size=self.response.size,
                parts=self.response.parts(),
                whole=self.response.whole,
            )
        )


def _request(ask: Ask, wanted: str) -> Iterable[bytes | Path]:
    url = urlsplit(wanted)
    target = f"{url.path}?{url.query}" if url.query else url.path
    body: list[bytes | Path] = []
    headers = {"Host": url.netloc, "Accept": ask.accept, **ask.headers}
    if ask.files:
        part = f"--{_BOUNDARY}\r\nContent-Type: application/dicom\r\n\r\n".encode()
        for file in ask.files:
            body += [part, Path(file), b"\r\n"]
        body.append(f"--{_BOUNDARY}--\r\n".encode())
        size = sum(len(piece) if isinstance(piece, bytes) else piece.stat().st_size for piece in body)
        headers["Content-Type"] = f'multipart/related; type="application/dicom"; boundary={_BOUNDARY}'
        headers["Content-Length"] = str(size)
    elif ask.body is not None:
        body = [Path(ask.body)]
        headers["Content-Length"] = str(Path(ask.body).stat().st_size)
    lines = [f"{'POST' if body else 'GET'} {target} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return ["\r\n".join([*lines, "", ""]).encode(), *body]


def run(asks: Sequence[Ask]) -> Sequence[Sequence[Answer]]:
    """Let all clients work at once; the answers of each, in their order.

    Raises:
        TimeoutError: nothing came for two minutes.
    """
    clients = [Client(ask) for ask in asks]
    waiting = {number: client for number, client in enumerate(clients) if client.ask.after is not None}
    buffer = bytearray(_BUFFER)
    unfinished = len(clients)
    with selectors.DefaultSelector() as selector:
        for client in clients:
            if client.ask.after is None:
                client.start(selector)
        while unfinished:
            ready = selector.select(_SILENCE_SECONDS)
            if not ready:
                raise TimeoutError("nothing came for two minutes")
            for key, events in ready:
                client = key.data
                if events & _WRITE:
                    client.write(selector)
                if events & _READ:
                    unfinished -= client.read(buffer, selector)
            for number in [n for n, client in waiting.items() if _may_start(clients, client.ask.after)]:
                waiting.pop(number).start(selector)
    return [client.answers for client in clients]


def _may_start(clients: Sequence[Client], after: int | None) -> bool:
    if after is None:
        return True
    other = clients[after]
    return other.first_byte is not None or bool(other.answers)


def main() -> None:
    """Do what standard input says."""
    asks = [Ask(**values) for values in json.load(sys.stdin)]
    json.dump([[answer.to_json() for answer in answers] for answers in run(asks)], sys.stdout)


if __name__ == "__main__":
    main()
