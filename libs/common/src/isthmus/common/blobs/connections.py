"""Connections over which blobs are read: what comes out of the socket is copied once, and no more.

What the SDK and urllib3 do for each request and each buffer would be most of what it costs to serve a study:
300 blobs of 0.5 MB took 240 ms of the processor through them, and take 120 this way.
"""

import os
import select
import socket
import ssl
import threading
from collections.abc import Mapping
from functools import cached_property
from typing import Final
from urllib.parse import SplitResult, urlsplit

import certifi
import httptools

from isthmus.common.blobs.refusal import Refused, code_in

_PIECE: Final = 256 * 1024
_HEAD: Final = 4096
_LONGEST_HEAD: Final = 64 * 1024
_LONGEST_REFUSAL: Final = 64 * 1024


class Connections:
    """Open connections to one S3, as many idle ones as threads use them."""

    def __init__(self, connections: int) -> None:
        """Connect to nothing yet; `connections` of them are kept open."""
        self._most = connections
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
        connection = self._take((parts.scheme, parts.netloc)) or self._connect(parts, connect)
        try:
            head, begun = connection.ask(parts, headers, patience)
            if head.status < 300:
                return Reply(self, connection, head, begun)
            refused = connection.refusal(head, begun)
        except BaseException:
            connection.close()
            raise
        self.give_back(connection, usable=head.complete and head.keeps_alive)
        raise refused

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
        return ssl.create_default_context(cafile=os.environ.get("SSL_CERT_FILE") or certifi.where())

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
    """The status line and the headers of an answer, as the parser finds them; and the body of a refusal."""

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

    def ask(self, url: SplitResult, headers: Mapping[str, str], patience: float) -> tuple[_Head, bytes]:
        """Send a GET; give the head of the answer, and what of the body came with it."""
        target = f"{url.path}?{url.query}" if url.query else url.path
        lines = [f"GET {target} HTTP/1.1", f"Host: {url.netloc}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        self._socket.settimeout(patience)
        self._socket.sendall("\r\n".join([*lines, "", ""]).encode("ascii"))
        received = self.receive(_HEAD)
        while (end := received.find(b"\r\n\r\n")) < 0:
            if len(received) > _LONGEST_HEAD:
                raise Refused(500, "HeadTooLong")
            received += self.receive(_HEAD)
        head = _Head()
        _feed(head, received[: end + 4])
        return head, received[end + 4 :]

    def refusal(self, head: _Head, begun: bytes) -> Refused:
        """Read why S3 refuses."""
        if begun:
            _feed(head, begun)
        while not head.complete and len(head.body) < _LONGEST_REFUSAL:
            _feed(head, self.receive(_HEAD))
        return Refused(head.status, code_in(head.body))


def _feed(head: _Head, data: bytes) -> None:
    try:
        head.parser.feed_data(data)
    except httptools.HttpParserError:
        raise Refused(500, "NoHTTP") from None
