"""multipart/related, in chunks of any size (RFC 2046 5.1)."""

from collections.abc import AsyncIterator, Iterable
from typing import Final

from isthmus.common.dicomweb.multipart_in import PartLimits, read_parts
from isthmus.common.errors import UnreadablePayload, UnsupportedMediaType
from tests.fuzz.coroutines import finish
from tests.fuzz.refusals import PLANTED, refusing

WORDS: Final = (b"\r\n--b\r\n", b"\r\n--b--\r\n", b"\r\n\r\n", b"Content-Type: application/dicom\r\n", b"--b")
_TYPE: Final = 'multipart/related; type="application/dicom"; boundary=b'
_LIMITS: Final = PartLimits(headers=4, header_bytes=256)


def target(data: bytes) -> None:
    """Read a body; its first byte says in which pieces it comes. Whole parts must not depend on that."""
    if not data:
        return
    size, body = data[0], data[1:]
    whole, cut = (finish(_read(body, length)) for length in (len(body) or 1, size + 1))
    assert whole == cut, "the parts depend on the pieces in which they come"


async def _read(body: bytes, size: int) -> tuple[list[tuple[object, bytes]], bool]:
    """Give the parts, as far as they are whole, and whether the body was."""
    parts: list[tuple[object, bytes]] = []
    with refusing(UnreadablePayload):
        async for part in read_parts(_chunks(body, size), _TYPE, _LIMITS):
            content = b"".join([chunk async for chunk in part])
            parts.append((tuple(part.headers.raw), content))
        return parts, True
    return parts, False


async def _chunks(body: bytes, size: int) -> AsyncIterator[bytes]:
    for start in range(0, len(body), size):
        yield body[start : start + size]


def seeds() -> Iterable[bytes]:
    """Bodies, good and bad."""
    part = b"Content-Type: application/dicom\r\nContent-Location: /a\r\n\r\n" + PLANTED.encode()
    whole = b"--b\r\n" + part + b"\r\n--b\r\n" + part + b"\r\n--b--\r\n"
    for size in (1, 7, 200):
        yield bytes((size,)) + whole
    yield b"\x05preamble\r\n" + whole + b"epilogue"
    yield b"\x05--b  \r\n\r\nno headers\r\n--b--"
    yield b"\x05" + whole[:-9]
    yield b"\x05--b\r\nX: " + b"y" * 300
    yield b"\x05--b\r\n\r\n\r\n--b-\r\n--bc\r\n--b--"


def content_type(text: str) -> None:
    """See that no Content-Type does more than be refused."""
    with refusing(UnsupportedMediaType, UnreadablePayload):
        read_parts(_chunks(b"", 1), text)
