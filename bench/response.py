"""One HTTP/1.1 response, counted and checked as it comes; of a large body nothing is kept."""

import gzip
import json
from email.message import Message
from email.parser import BytesParser
from email.policy import HTTP
from typing import Final

_STORED: Final = "00081199"
"""Referenced SOP Sequence: what a store has stored (PS3.18 Table I.1-1)."""


class BadResponse(Exception):
    """What came is no HTTP/1.1 response."""


class Response:
    """Takes what a socket gives (RFC 9112), until it is whole.

    Attributes:
        status: 0 until the head is there.
        size: bytes of the body so far, without its framing.
        done: the body has come to the end of its framing.
    """

    def __init__(self) -> None:
        self.status = 0
        self.size = 0
        self.done = False
        self.closes = False
        self._headers = Message()
        self._head = bytearray()
        self._line = bytearray()
        self._left: int | None = None  # of the chunk or of the body; None: until the connection ends
        self._chunked = False
        self._last_chunk = False
        self._parts: _Parts | None = None
        self._is_json = False
        self._kept = bytearray()

    def feed(self, buffer: bytearray, end: int) -> None:
        """Take the first `end` bytes of a buffer, which may be reused afterwards."""
        if self.status:
            self._body(buffer, 0, end)
            return
        self._head += buffer[:end]
        head, blank, rest = self._head.partition(b"\r\n\r\n")
        if blank:
            self._read_head(bytes(head))
            self._body(rest, 0, len(rest))

    def end(self) -> None:
        """The connection has ended: the end of a body that has no other."""
        if self.status and not self._chunked and self._left is None:
            self.done = True

    @property
    def whole(self) -> bool:
        """Whether nothing lacks, as far as the form can tell."""
        return self.done and (self._parts is None or self._parts.closed)

    def parts(self) -> int:
        """Count the parts of a multipart body, the items of a JSON array, or what a store has stored."""
        if self._parts is not None:
            return self._parts.count
        if not self.whole or not self._is_json:
            return 0
        content = bytes(self._kept)
        if self._headers["content-encoding"] == "gzip":
            content = gzip.decompress(content)
        body = json.loads(content or b"[]")
        return len(body if isinstance(body, list) else body.get(_STORED, {}).get("Value", []))

    def _read_head(self, head: bytes) -> None:
        status_line, _, headers = head.partition(b"\r\n")
        words = status_line.split()
        if len(words) < 2 or not words[0].startswith(b"HTTP/1.") or not words[1].isdigit():
            raise BadResponse("no status line")
        self._headers = BytesParser(policy=HTTP).parsebytes(headers + b"\r\n\r\n", headersonly=True)
        self.status = int(words[1])
        self.closes = self._headers.get("connection", "").lower() == "close"
        self._chunked = self._headers.get("transfer-encoding", "").lower() == "chunked"
        length = self._headers.get("content-length")
        if self._chunked:
            self._left = 0
        elif length is not None:
            self._left = int(length)
            self.done = self._left == 0
        self._is_json = "json" in self._headers.get_content_type()
        boundary = self._headers.get_boundary()
        if boundary is not None:
            self._parts = _Parts(boundary.encode())

    def _body(self, buffer: bytearray, at: int, end: int) -> None:
        if self._chunked:
            self._chunks(buffer, at, end)
            return
        self._content(buffer, at, end)
        if self._left is not None:
            self._left -= end - at
            self.done = self._left == 0

    def _chunks(self, buffer: bytearray, at: int, end: int) -> None:
        while at < end:
            if self._left:
                take = min(self._left, end - at)
                self._content(buffer, at, at + take)
                at += take
                self._left -= take
                continue
            newline = buffer.find(b"\n", at, end)
            stop = end if newline < 0 else newline + 1
            self._line += buffer[at:stop]
            at = stop
            if newline >= 0:
                self._chunk_line(bytes(self._line).strip())
                self._line.clear()

    def _chunk_line(self, line: bytes) -> None:
        """Take the line before a chunk, the empty one after it, or one of the trailer (RFC 9112 7.1)."""
        if self._last_chunk:
            self.done = self.done or not line
        elif line:
            self._left = int(line.partition(b";")[0], 16)
            self._last_chunk = self._left == 0

    def _content(self, buffer: bytearray, at: int, end: int) -> None:
        self.size += end - at
        if self._parts is not None:
            self._parts.feed(buffer, at, end)
        elif self._is_json:
            self._kept += buffer[at:end]


class _Parts:
    """Counts the delimiters of a multipart body (RFC 2046 5.1.1) without copying it."""

    def __init__(self, boundary: bytes) -> None:
        self._delimiter = b"--" + boundary
        self._delimiters = 0
        self._tail = b""  # of what came before: a delimiter may be cut in two

    @property
    def count(self) -> int:
        return max(self._delimiters - self.closed, 0)

    @property
    def closed(self) -> bool:
        return self._tail.rstrip(b"\r\n").endswith(self._delimiter + b"--")

    def feed(self, buffer: bytearray, at: int, end: int) -> None:
        overlap = len(self._delimiter) - 1
        across = self._tail[-overlap:] + buffer[at : min(at + overlap, end)]
        self._delimiters += (self._delimiter in across) + buffer.count(self._delimiter, at, end)
        longest = len(self._delimiter) + len(b"--\r\n\r\n")
        self._tail = (self._tail + buffer[max(at, end - longest) : end])[-longest:]
