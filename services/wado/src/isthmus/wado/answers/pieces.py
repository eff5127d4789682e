"""Bodies whose bytes lie in a blob, or in the memory, as they are to be sent: any range of it can be had."""

from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import aclosing

from isthmus.common.blobs import BlobStore
from isthmus.common.dicom.bulk import Piece
from isthmus.wado.answers.conditional import ETag
from isthmus.wado.answers.streamed import Body


def body_of(
    headers: Mapping[str, str],
    blobs: BlobStore,
    key: str,
    pieces: Sequence[Piece],
    *,
    etag: ETag | None = None,
    warnings: tuple[str, ...] = (),
) -> Body:
    """Give a body of known length, which answers Range too.

    Args:
        headers: Without Content-Length.
        blobs: Where the blob lies.
        key: Its key; whatever if all pieces are bytes.
        pieces: Each an offset in the blob and a length, or bytes.
        etag: Of this representation.
        warnings: What the client should know beside.
    """
    size = length_of(pieces)

    def part(offset: int, length: int) -> AsyncGenerator[bytes, None]:
        return content_of(blobs, key, tuple(_cut(pieces, offset, offset + length)))

    said = {**headers, "Content-Length": str(size)}
    return Body(said, content_of(blobs, key, pieces), etag=etag, part=part, warnings=warnings)


def length_of(pieces: Sequence[Piece]) -> int:
    """Count the bytes."""
    return sum(map(_length, pieces))


async def content_of(blobs: BlobStore, key: str, pieces: Sequence[Piece]) -> AsyncGenerator[bytes, None]:
    """Give the bytes, in constant memory.

    Raises:
        StoreUnavailable: S3 does not give them, or not all of them.
    """
    for piece in pieces:
        if isinstance(piece, bytes):
            yield piece
            continue
        offset, length = piece
        if not length:
            continue
        async with aclosing(blobs.stream(key, offset=offset, length=length)) as chunks:
            async for chunk in chunks:
                yield chunk


def _length(piece: Piece) -> int:
    return len(piece) if isinstance(piece, bytes) else piece[1]


def _cut(pieces: Sequence[Piece], start: int, end: int) -> Iterator[Piece]:
    """Give what lies between two positions of all pieces together."""
    for piece in pieces:
        length = _length(piece)
        first, last = max(start, 0), min(end, length)
        if first < last:
            yield piece[first:last] if isinstance(piece, bytes) else (piece[0] + first, last - first)
        start, end = start - length, end - length
