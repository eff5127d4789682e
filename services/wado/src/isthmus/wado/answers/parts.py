"""Multipart bodies of bulk data: each part of known length, with where it can be had by itself."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from isthmus.common.blobs import BlobStore
from isthmus.common.dicom.bulk import Piece
from isthmus.common.dicomweb.multipart_out import MultipartWriter
from isthmus.wado.answers.conditional import ETag
from isthmus.wado.answers.pieces import body_of, content_of, length_of
from isthmus.wado.answers.streamed import Body


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a body, or all of it."""

    media_type: str
    transfer_syntax: str
    location: str
    """Its URL (PS3.18 8.6.1.2.1)."""
    length: int
    """In bytes."""
    chunks: Callable[[], AsyncGenerator[bytes, None]]
    """Gives its content."""
    range: Callable[[int, int], AsyncGenerator[bytes, None]] | None = None
    """Gives so many bytes of its content from an offset on, where that costs no more."""

    def head(self, writer: MultipartWriter) -> bytes:
        """Write what goes before its content."""
        return writer.part(
            self.media_type,
            transfer_syntax=self.transfer_syntax,
            length=self.length,
            location=self.location,
        )

    def alone(self, etag: ETag | None = None) -> Body:
        """Give the body that it is by itself."""
        headers = {
            "Content-Type": f"{self.media_type}; transfer-syntax={self.transfer_syntax}",
            "Content-Location": self.location,
            "Content-Length": str(self.length),
        }
        return Body(headers, self.chunks(), etag=etag, part=self.range)


def part_of_pieces(
    media_type: str,
    transfer_syntax: str,
    location: str,
    blobs: BlobStore,
    key: str,
    pieces: Sequence[Piece],
) -> Part:
    """Give a part whose content lies in a blob, or is at hand."""
    return Part(
        media_type,
        transfer_syntax,
        location,
        length_of(pieces),
        lambda: content_of(blobs, key, pieces),
        body_of({}, blobs, key, pieces).part,
    )


async def multipart_chunks(
    writer: MultipartWriter, parts: AsyncIterator[Part]
) -> AsyncGenerator[bytes, None]:
    """Write a body; its end comes only after the last part."""
    async for part in parts:
        yield part.head(writer)
        async with aclosing(part.chunks()) as chunks:
            async for chunk in chunks:
                yield chunk
    yield writer.close()


def length_with(media_type: str, transfer_syntax: str, parts: Iterable[tuple[str, int | None]]) -> int | None:
    """Count the bytes of a body before it is written; None where the length of a part is not known.

    Args:
        media_type: Of each part.
        transfer_syntax: Of each part.
        parts: Location and length of each; one at least.
    """
    writer = MultipartWriter(media_type)
    first, other = (
        len(writer.part(media_type, transfer_syntax=transfer_syntax, length=0, location="")) - len("0")
        for _ in range(2)
    )
    total = first - other
    for location, length in parts:
        if length is None:
            return None
        total += other + len(str(length)) + len(location) + length
    return total + len(writer.close())
