"""Reading multipart/related as a stream (RFC 2387, RFC 2046 5.1; PS3.18 10.5.2), in constant memory.

python-multipart finds the delimiters. It is made for forms, so three things are done here: it takes neither a
preamble nor padding before the first part; it does not notice a body that ends too early; and it takes a
delimiter whose line goes on with anything else for content, which would make one part of two.
"""

import re
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final, Self

from python_multipart import MultipartParser
from python_multipart.exceptions import MultipartParseError
from starlette.datastructures import Headers

from isthmus.common.dicomweb.media_type import MediaType
from isthmus.common.errors import (
    InvalidParameter,
    TooLarge,
    TruncatedPayload,
    UnreadablePayload,
    UnsupportedMediaType,
)

# RFC 2046 5.1.1 has fewer characters, and the same length.
_BOUNDARY: Final = re.compile(r"[\x20-\x7e]{0,69}[\x21-\x7e]")


@dataclass(frozen=True, slots=True)
class PartLimits:
    """How many parts there may be, and how large their headers; their contents may have any size."""

    headers: int = 32
    """Of one part."""
    header_bytes: int = 8192
    """Of one header."""
    parts: int | None = None
    """None: as many as there are."""


DEFAULT_LIMITS: Final = PartLimits()


class _Mark(Enum):
    PART_END = auto()
    BODY_END = auto()


_Event = Headers | bytes | _Mark


class Part:
    """One part: its headers, and its content as an iterator of chunks."""

    def __init__(self, headers: Headers, body: "_Body") -> None:
        self.headers: Final = headers
        """Of this part, without regard to the case of their names."""
        self._body = body
        self._ended = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        """Give the next chunk of the content.

        Raises:
            TruncatedPayload: The body ended in this part: it is incomplete.
            UnreadablePayload: What follows cannot be read: the part may be incomplete.
        """
        if self._ended:
            raise StopAsyncIteration
        event = await self._body.next_event()
        if not isinstance(event, bytes):
            self._ended = True
            raise StopAsyncIteration
        return event


def read_parts(
    chunks: AsyncIterator[bytes], content_type: str | None, limits: PartLimits = DEFAULT_LIMITS
) -> AsyncGenerator[Part, None]:
    """Read the parts of a multipart/related body one after another.

    What is not consumed of a part is skipped when the next one is asked for.

    Args:
        chunks: The body as it arrives.
        content_type: The value of its Content-Type header.
        limits: How many parts there may be, and how large their headers.

    Raises:
        UnsupportedMediaType: At once: it is not multipart/related.
        UnreadablePayload: At once: there is no boundary; while iterating: the body is malformed.
        TooLarge: While iterating: there are more parts than there may be.
        TruncatedPayload: While iterating, after all complete parts: there was no closing delimiter.
    """
    return _parts(_Body(chunks, _boundary(content_type), limits), limits.parts)


async def _parts(body: "_Body", most: int | None) -> AsyncGenerator[Part, None]:
    count = 0
    while isinstance(headers := await body.next_event(), Headers):
        if count == most:
            raise TooLarge(f"The body has more than {most} parts")
        count += 1
        part = Part(headers, body)
        yield part
        async for _ in part:
            pass


def _boundary(content_type: str | None) -> bytes:
    if content_type is None:
        raise UnsupportedMediaType("The payload has no Content-Type")
    try:
        media_type = MediaType.parse(content_type)
    except InvalidParameter as error:
        raise UnsupportedMediaType(error.detail) from error
    if media_type.name != "multipart/related":
        raise UnsupportedMediaType("The payload is not multipart/related")
    boundary = media_type.parameter("boundary")
    if boundary is None:
        raise UnreadablePayload("Content-Type has no boundary parameter")
    if not _BOUNDARY.fullmatch(boundary):
        raise UnreadablePayload("The boundary is not 1 to 70 printable characters of ASCII")
    return boundary.encode("ascii")


class _Body:
    """The body as a sequence of events: for each part Headers, bytes..., PART_END; at the end BODY_END.

    A failure is raised when all events before it are taken, and then again each time.
    """

    def __init__(self, chunks: AsyncIterator[bytes], boundary: bytes, limits: PartLimits) -> None:
        self._chunks = chunks
        self._events: deque[_Event] = deque()
        self._failure: UnreadablePayload | None = None
        self._preamble: _Preamble | None = _Preamble(boundary, limits.header_bytes)
        self._limits = limits
        self._parser = _parser(boundary, limits, self._events)

    async def next_event(self) -> _Event:
        while not self._events:
            if self._failure is not None:
                raise self._failure
            try:
                chunk = await anext(self._chunks)
            except StopAsyncIteration:
                self._failure = self._truncated()
            else:
                self._feed(chunk)
        if self._events[0] is _Mark.BODY_END:
            return _Mark.BODY_END  # and it stays: what follows is the epilogue
        return self._events.popleft()

    def _feed(self, chunk: bytes) -> None:
        try:
            if self._preamble is not None:
                chunk = self._preamble.skip(chunk)
                if not chunk:
                    return
                self._preamble = None
            self._parser.write(chunk)
        except MultipartParseError as error:
            self._failure = UnreadablePayload(f"The multipart body is malformed: {self._explain(error)}")
        except UnreadablePayload as error:
            self._failure = error

    def _explain(self, error: MultipartParseError) -> str:
        """Say what is wrong, with the limit where it is one of ours: upstream has but these texts for it."""
        ours = {
            "Maximum header size exceeded": f"a header of more than {self._limits.header_bytes} bytes",
            "Maximum header count exceeded": f"more than {self._limits.headers} headers",
        }
        text = str(error)
        return f"a part has {ours[text]}" if text in ours else text

    def _truncated(self) -> UnreadablePayload:
        if self._preamble is not None:
            return UnreadablePayload("The boundary that Content-Type names does not occur in the body")
        return TruncatedPayload("The multipart body ended before its closing delimiter")


class _Preamble:
    """Skips what stands before the first delimiter, and that delimiter's padding."""

    def __init__(self, boundary: bytes, line_bytes: int) -> None:
        self._delimiter = b"\r\n--" + boundary
        self._line_bytes = line_bytes
        self._held = b"\r\n"  # the delimiter may open the body; everywhere else it opens a line

    def skip(self, chunk: bytes) -> bytes:
        """Give what is to be parsed: nothing until the whole line of the first delimiter is there."""
        self._held += chunk
        start = self._held.find(self._delimiter)
        if start < 0:
            self._held = self._held[-len(self._delimiter) :]
            return b""
        self._held = self._held[start:]
        line, newline, rest = self._held[len(self._delimiter) :].partition(b"\n")
        if line.startswith(b"--"):
            return self._delimiter[2:] + b"--"
        if len(line) > self._line_bytes or (newline and line.strip(b" \t") != b"\r"):
            raise UnreadablePayload("The line of the first delimiter is malformed")
        return self._delimiter[2:] + b"\r\n" + rest if newline else b""


def _parser(boundary: bytes, limits: PartLimits, events: deque[_Event]) -> MultipartParser:
    """Make a parser that appends to the events."""
    delimiter = b"\r\n--" + boundary
    headers: list[tuple[bytes, bytes]] = []
    name, value = bytearray(), bytearray()
    tail = b""

    def header_begin() -> None:
        name.clear()
        value.clear()

    def header_field(data: bytes, start: int, end: int) -> None:
        name.extend(data[start:end])

    def header_value(data: bytes, start: int, end: int) -> None:
        value.extend(data[start:end])

    def header_end() -> None:
        headers.append((bytes(name).lower(), bytes(value).strip()))

    def headers_finished() -> None:
        nonlocal tail
        tail = b"\r\n"  # the end of the headers may open a delimiter
        events.append(Headers(raw=list(headers)))
        headers.clear()

    def part_data(data: bytes, start: int, end: int) -> None:
        nonlocal tail
        content = data[start:end]
        seam = tail + content[: len(delimiter) - 1]  # apart, so that the content is not copied for it
        if delimiter in seam or delimiter in content:
            raise UnreadablePayload("The line of a delimiter is malformed")
        tail = (seam if len(content) < len(delimiter) else content)[1 - len(delimiter) :]
        events.append(content)

    def part_end() -> None:
        events.append(_Mark.PART_END)

    def end() -> None:
        events.append(_Mark.BODY_END)

    return MultipartParser(
        boundary,
        {
            "on_header_begin": header_begin,
            "on_header_field": header_field,
            "on_header_value": header_value,
            "on_header_end": header_end,
            "on_headers_finished": headers_finished,
            "on_part_data": part_data,
            "on_part_end": part_end,
            "on_end": end,
        },
        max_header_count=limits.headers,
        max_header_size=limits.header_bytes,
    )
