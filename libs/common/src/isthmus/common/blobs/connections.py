"""Connections over which blobs are read and written: a blob's bytes are copied once, and no more.

What the SDK and urllib3 do for each request and each buffer would be most of what it costs to serve a study:
300 blobs of 0.5 MB took 240 ms of the processor through them, and take 120 this way.
"""

import select
import socket
import ssl
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final
from urllib.parse import SplitResult, urlsplit

import httptools

from isthmus.common.blobs.refusal import Refused, code_in
from isthmus.common.config.files import certificates_file

_PIECE: Final = 256 * 1024
_HEAD: Final = 4096
_LONGEST_HEAD: Final = 64 * 1024
_LONGEST_ANSWER: Final = 1024 * 1024
"""To what has no blob in it."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What S3 said to a request that reads no blob."""

    headers: Mapping[bytes, bytes]
    """By their names in lower case."""
    body: bytes


class Connections:
    """Open connections to one S3, as many idle ones as threads use them."""

    def __init__(self, connections: int, ca_file: Path | None = None) -> None:
        """Connect to nothing yet.

        Args:
            connections: how many are kept open.
            ca_file: certificates that the server's is verified by; the usual ones, without it.
        """
        self._most = connections
        self._ca_file = ca_file
        self._idle: list[_Connection] = []
        self._lock = threading.Lock()

    def get(self, url: str, headers: Mapping[str, str], *, connect: float, patience: float) -> "Reply":
        """Send a GET, and give its answer at the beginning of the body.

        Args:
            url: What to get.
            headers: What to send beside Host.
            connect: Seconds that connecting may take.
            patience: Seconds that S3 may be silent.

        Raises:
            Refused: the answer is not a success, or does not say how long it is.
            OSError: the connection broke, or S3 was silent for too long.
        """
        parts = urlsplit(url)
        connection = self._take_or_connect(parts, connect)
        try:
            head, begun = connection.ask("GET", parts, headers, (), patience)
            if head.status < 300:
                return Reply(self, connection, head, begun)
            connection.finish(head, begun)
        except BaseException:
            connection.close()
            raise
        self.give_back(connection, usable=head.keeps_alive)
        raise Refused(head.status, code_in(head.body))

    def exchange(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: Iterable[memoryview] = (),
        *,
        connect: float,
        patience: float,
    ) -> Answer:
        """Send a request with a body, and give all of the answer.

        Args:
            method: What to do.
            url: With what.
            headers: What to send beside Host; Content-Length is that of the body.
            body: What to send.
            connect: Seconds that connecting may take.
            patience: Seconds that S3 may be silent, or take no piece of the body.

        Raises:
            Refused: the answer is not a success.
            OSError: the connection broke, or S3 was silent for too long.
        """
        parts = urlsplit(url)
        connection = self._take_or_connect(parts, connect)
        try:
            head, begun = connection.ask(method, parts, headers, body, patience)
            connection.finish(head, begun)
        except BaseException:
            connection.close()
            raise
        self.give_back(connection, usable=head.keeps_alive and connection.sent)
        if head.status < 300 and not connection.sent:
            raise ConnectionResetError
        # The completion of an upload may fail after its 200 is out.
        if head.status >= 300 or b"<Error>" in head.body[:512]:
            raise Refused(head.status if head.status >= 300 else 500, code_in(head.body))
        return Answer(head.headers, head.body)

    def close(self) -> None:
        """Close those that are idle, and keep none that is given back later."""
        with self._lock:
            self._most = 0
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def give_back(self, connection: "_Connection", *, usable: bool) -> None:
        """Keep a connection, if its last answer was read to its end; else close it."""
        with self._lock:
            if usable and len(self._idle) < self._most:
                self._idle.append(connection)
                return
        connection.close()

    @cached_property
    def _trusted(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=certificates_file(self._ca_file))

    def _take_or_connect(self, url: SplitResult, seconds: float) -> "_Connection":
        return self._take((url.scheme, url.netloc)) or self._connect(url, seconds)

    def _connect(self, url: SplitResult, seconds: float) -> "_Connection":
        secure = url.scheme == "https"
        plain = socket.create_connection((url.hostname or "", url.port or (443 if secure else 80)), seconds)
        try:
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            secured = self._trusted.wrap_socket(plain, server_hostname=url.hostname) if secure else plain
        except BaseException:
            plain.close()
            raise
        return _Connection((url.scheme, url.netloc), secured)

    def _take(self, server: tuple[str, str]) -> "_Connection | None":
        while True:
            with self._lock:
                connection = next((one for one in reversed(self._idle) if one.server == server), None)
                if connection is None:
                    return None
                self._idle.remove(connection)
            if not connection.is_dropped():
                return connection
            connection.close()


class Reply:
    """An answer whose body is read as it is wanted."""

    def __init__(
        self, connections: Connections, connection: "_Connection", head: "_Head", begun: bytes
    ) -> None:
        """Begin with what came behind the head."""
        if head.length is None:
            raise Refused(500, "NoContentLength")  # without it, a body that breaks off looks complete
        self.status: Final = head.status
        self.etag: Final = head.headers.get(b"etag", b"").decode("latin-1").removeprefix("W/").strip('"')
        self.length: Final = head.length
        """Of the body, in bytes."""
        self._connections = connections
        self._connection: _Connection | None = connection
        self._keeps = head.keeps_alive
        self._begun = begun
        self._remaining = head.length

    def read(self, size: int) -> bytes:
        """Give the next bytes: `size` of them, or what there is to the end.

        Raises:
            OSError: the connection broke, or S3 was silent for too long.
        """
        size = min(size, self._remaining)
        pieces, self._begun = [self._begun[:size]], self._begun[size:]
        missing = size - len(pieces[0])
        while missing and self._connection:
            pieces.append(self._connection.receive(min(missing, _PIECE)))
            missing -= len(pieces[-1])
        self._remaining -= size
        return b"".join(pieces)

    def close(self) -> None:
        """Give the connection back; in the middle of the body it is closed."""
        connection, self._connection = self._connection, None
        if connection is not None:
            usable = self._keeps and not self._remaining and not self._begun
            self._connections.give_back(connection, usable=usable)


class _Head:
    """The status line and the headers of an answer, as the parser finds them; and a body that is no blob."""

    def __init__(self) -> None:
        self.headers: dict[bytes, bytes] = {}
        self.body = b""
        self.complete = False
        self.keeps_alive = False
        self.parser: Final = httptools.HttpResponseParser(self)

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers[name.lower()] = value

    def on_headers_complete(self) -> None:
        self.keeps_alive = self.parser.should_keep_alive()

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.complete = True

    @property
    def status(self) -> int:
        return self.parser.get_status_code()

    @property
    def length(self) -> int | None:
        text = self.headers.get(b"content-length", b"")
        return int(text) if text.isdigit() else None


class _Connection:
    def __init__(self, server: tuple[str, str], connected: socket.socket) -> None:
        self.server: Final = server
        self.sent = True
        """Whether all of the last request went out."""
        self._socket = connected

    def close(self) -> None:
        self._socket.close()

    def is_dropped(self) -> bool:
        """Tell whether the server has closed it, or said something that nobody asked for."""
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        return bool(poll.poll(0))

    def receive(self, size: int) -> bytes:
        """Give the next bytes, one at least."""
        piece = self._socket.recv(size)
        if not piece:
            raise ConnectionResetError
        return piece

    def ask(
        self,
        method: str,
        url: SplitResult,
        headers: Mapping[str, str],
        body: Iterable[memoryview],
        patience: float,
    ) -> tuple[_Head, bytes]:
        """Send a request; give the head of the answer, and what of the body came with it."""
        target = f"{url.path}?{url.query}" if url.query else url.path
        lines = [f"{method} {target} HTTP/1.1", f"Host: {url.netloc}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        self._socket.settimeout(patience)
        self._send("\r\n".join([*lines, "", ""]).encode("ascii"), body)
        received = self.receive(_HEAD)
        while (end := received.find(b"\r\n\r\n")) < 0:
            if len(received) > _LONGEST_HEAD:
                raise Refused(500, "HeadTooLong")
            received += self.receive(_HEAD)
        head = _Head()
        _feed(head, received[: end + 4])
        return head, received[end + 4 :]

    def _send(self, head: bytes, body: Iterable[memoryview]) -> None:
        self.sent = False
        self._socket.sendall(head)
        try:
            for piece in body:
                self._socket.sendall(piece)  # its time-out holds for the whole of what it is given
        except (BrokenPipeError, ConnectionResetError):
            return  # who refuses a body may say so and hang up before it has it
        self.sent = True

    def finish(self, head: _Head, begun: bytes) -> None:
        """Read the rest of an answer into its head."""
        if begun and not head.complete:
            _feed(head, begun)
        while not head.complete:
            if len(head.body) > _LONGEST_ANSWER:
                raise Refused(500, "AnswerTooLong")
            _feed(head, self.receive(_HEAD))


def _feed(head: _Head, data: bytes) -> None:
    try:
        head.parser.feed_data(data)
    except httptools.HttpParserError:
        raise Refused(500, "NoHTTP") from None
