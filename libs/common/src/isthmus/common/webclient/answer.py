"""An answer of an origin, whose body is still to come."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress
from typing import Final, Self

import httpx2

from isthmus.common.dicomweb.media_type import MediaType
from isthmus.common.errors import InvalidParameter, MalformedAnswer, OriginError
from isthmus.common.webclient.failures import within_the_answer

MOST_DRAINED: Final = 64 * 1024
"""Bytes that are read after what was wanted, so that the connection can be used again."""
DRAIN_SECONDS: Final = 1.0
_MARKED: Final = frozenset({"content-length", "transfer-encoding"})
_SHOWN: Final = frozenset(
    {
        "application/dicom",
        "application/dicom+json",
        "application/dicom+xml",
        "application/json",
        "application/octet-stream",
        "application/pdf",
        "application/problem+json",
        "application/xml",
        "application/zip",
        "image/jpeg",
        "image/png",
        "multipart/form-data",
        "multipart/mixed",
        "multipart/related",
        "text/html",
        "text/plain",
        "text/xml",
    }
)
"""What servers send in place of what they are asked for."""


class Answer:
    """Status, headers, and the body as chunks; it has to be closed."""

    def __init__(self, response: httpx2.Response, origin: str, silence: float) -> None:
        """Read nothing yet.

        Args:
            response: what httpx2 made of it.
            origin: whose it is, for errors.
            silence: seconds for which nothing of the body may come.
        """
        self._response = response
        self.origin: Final = origin
        self._silence = silence
        self._chunks: AsyncGenerator[bytes, None] | None = None
        self.status: Final = response.status_code
        self.headers: Final = response.headers
        self.ended = False
        """Whether the body was read to its end: then the connection can be used again."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """The values of Warning (RFC 7234 5.5), as they are."""
        return tuple(self.headers.get_list("warning"))

    @property
    def media_type(self) -> MediaType | None:
        """What the body is; None where that is not said.

        Raises:
            MalformedAnswer: Content-Type is no media type.
        """
        value = self.headers.get("content-type")
        if not value:
            return None
        try:
            return MediaType.parse(value)
        except InvalidParameter:
            raise self.malformed("Content-Type of the answer is no media type") from None

    @property
    def end_is_marked(self) -> bool:
        """Whether a body that is cut off can be told from a whole one (RFC 9112 6.3, RFC 9113 8.1)."""
        version = self._response.http_version
        return version == "HTTP/2" or not _MARKED.isdisjoint(self.headers.keys())

    @property
    def is_encoded(self) -> bool:
        """Whether the body is compressed (RFC 9110 8.4)."""
        return self.headers.get("content-encoding", "identity").strip().lower() not in ("", "identity")

    def malformed(self, detail: str) -> MalformedAnswer:
        """Make the error of an answer that is not what DICOMweb has there."""
        return MalformedAnswer(detail, origin=self.origin)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        """Give the next chunk of the body, decompressed.

        Raises:
            OriginTimeout: for too long nothing came.
            TruncatedAnswer: the connection is lost.
            MalformedAnswer: it is no HTTP, or cannot be decompressed.
        """
        if self.ended:
            raise StopAsyncIteration
        if self._chunks is None:
            self._chunks = self._read()
        # Over HTTP/2 not all that breaks the silence of the connection is of this answer.
        with within_the_answer(self.origin):
            async with asyncio.timeout(self._silence):
                chunk = await anext(self._chunks, None)
        if chunk is None:
            self.ended = True
            raise StopAsyncIteration
        return chunk

    async def drain(self) -> None:
        """Read the body to its end, if that is near and nothing is in the way."""
        read = 0
        with suppress(OriginError, TimeoutError):
            async with asyncio.timeout(DRAIN_SECONDS):
                async for chunk in self:
                    read += len(chunk)
                    if read > MOST_DRAINED:
                        return

    async def close(self) -> None:
        """Take no more of it."""
        if self._chunks is not None:
            await self._chunks.aclose()
        await self._response.aclose()

    async def _read(self) -> AsyncGenerator[bytes, None]:
        async for chunk in self._response.aiter_bytes():
            yield chunk


def shown(media_type: MediaType | None) -> str:
    """Give what may be shown of a media type that an origin sends: whatever it likes may stand there."""
    if media_type is None:
        return "nothing that says what it is"
    return media_type.name if media_type.name in _SHOWN else "of another media type"
