"""Answers that are instances, frames or bulk data: multipart/related or one part (PS3.18 8.6.1.2, 10.4)."""

import re
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager, contextmanager
from http import HTTPStatus
from typing import Final, Self

from starlette.datastructures import Headers

from isthmus.common.dicomweb import multipart_in
from isthmus.common.dicomweb.media_type import MediaType
from isthmus.common.errors import TruncatedAnswer, TruncatedPayload, UnreadablePayload, UnsupportedMediaType
from isthmus.common.webclient.answer import Answer, shown

_LENGTH: Final = re.compile(r"[0-9]{1,18}")
_SINGLE: Final = frozenset({"application/dicom", "application/octet-stream"})
_SINGLE_TYPES: Final = frozenset({"image", "video"})
"""What may come as the only part, without multipart; of these two, any subtype."""


class Part:
    """One part: its headers, and its content as chunks; what is not taken of it is skipped."""

    def __init__(self, headers: Headers, chunks: AsyncIterator[bytes], answer: Answer) -> None:
        self.headers: Final = headers
        """Of this part, or of the answer where it is the only one; the case of names does not count."""
        self._chunks = chunks
        self._answer = answer
        length = _LENGTH.fullmatch(headers.get("content-length", ""))
        self._missing = int(length[0]) if length else 0

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        """Give the next chunk of the content; StopAsyncIteration says that all of it was there.

        Raises:
            TruncatedAnswer: it was cut off in this part, or is shorter than it says: the part is incomplete.
            MalformedAnswer: what follows cannot be read: the part may be incomplete.
            OriginTimeout: for too long nothing came.
        """
        with _translated(self._answer):
            chunk = await anext(self._chunks, None)
        if chunk is None:
            if self._missing > 0:
                raise TruncatedAnswer("A part is shorter than it says", origin=self._answer.origin)
            raise StopAsyncIteration
        self._missing -= len(chunk)
        return chunk


class Parts:
    """The parts of an answer, one after the other."""

    def __init__(self, answer: Answer, parts: AsyncGenerator[Part, None]) -> None:
        self._parts = parts
        self.http_status: Final = answer.status
        """200; 204 where there is nothing; 206 where the origin says that something is missing."""
        self.warnings: Final = answer.warnings
        """The values of Warning, as they are."""

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Part:
        """Give the next part; StopAsyncIteration says that there were no more.

        Raises:
            TruncatedAnswer: it was cut off; the parts before are good.
            MalformedAnswer: what follows cannot be read.
            OriginTimeout: for too long nothing came.
        """
        return await anext(self._parts)


@asynccontextmanager
async def parts_of(answer: Answer) -> AsyncIterator[Parts]:
    """Read an answer as parts, in constant memory.

    Raises:
        MalformedAnswer: it is HTML, JSON or such, has no boundary or the wrong one, or is compressed, which
            nobody asked for.
    """
    if answer.is_encoded:
        # Decompressed, a stream that was cut off may look whole.
        raise answer.malformed("The answer is compressed, which was not asked for")
    async with aclosing(_parts(answer)) as parts:
        yield Parts(answer, parts)


def _parts(answer: Answer) -> AsyncGenerator[Part, None]:
    media_type = answer.media_type
    if answer.status == HTTPStatus.NO_CONTENT:
        return _none()
    if media_type is not None and _may_be_alone(media_type):
        if not answer.end_is_marked:
            raise answer.malformed("The answer does not tell where it ends")
        return _single(answer)
    if media_type is None or media_type.name != "multipart/related":
        raise answer.malformed(f"The answer is {shown(media_type)}, neither multipart/related nor DICOM")
    with _translated(answer):
        return _several(answer, multipart_in.read_parts(answer, answer.headers["content-type"]))


def _may_be_alone(media_type: MediaType) -> bool:
    return media_type.name in _SINGLE or media_type.name.partition("/")[0] in _SINGLE_TYPES


async def _none() -> AsyncGenerator[Part, None]:
    nothing: tuple[Part, ...] = ()
    for part in nothing:
        yield part


async def _single(answer: Answer) -> AsyncGenerator[Part, None]:
    yield Part(Headers(dict(answer.headers)), answer, answer)


async def _several(
    answer: Answer, parts: AsyncGenerator[multipart_in.Part, None]
) -> AsyncGenerator[Part, None]:
    async with aclosing(parts):
        while True:
            with _translated(answer):
                part = await anext(parts, None)
            if part is None:
                return
            yield Part(part.headers, part, answer)


@contextmanager
def _translated(answer: Answer) -> Iterator[None]:
    """Say of what the parser finds that it is the origin's, not the client's."""
    try:
        yield
    except TruncatedPayload:
        detail = "The multipart answer ended before its closing delimiter"
        raise TruncatedAnswer(detail, origin=answer.origin) from None
    except (UnreadablePayload, UnsupportedMediaType) as error:
        raise answer.malformed(f"The answer cannot be read: {error.detail}") from None
