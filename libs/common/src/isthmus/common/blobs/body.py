"""What is written: pieces that are sent one after another, never joined, and again where that is needed."""

import hashlib
from collections.abc import Iterator, Sequence
from typing import Final

from isthmus.common.dicom.raw_bytes import RawBytes

Buffer = bytes | bytearray | memoryview
Data = Buffer | RawBytes | Sequence[Buffer | RawBytes]
"""A blob's bytes: one piece, or several in their order (a Part 10 header and the data set as it came)."""

SLICE: Final = 128 * 1024


class Body:
    """The bytes of one request."""

    def __init__(self, data: Data) -> None:
        """Take them, without a copy."""
        pieces = [data] if isinstance(data, bytes | bytearray | memoryview | RawBytes) else data
        self._pieces: Final = [piece if isinstance(piece, RawBytes) else RawBytes(piece) for piece in pieces]
        self.size: Final = sum(piece.size for piece in self._pieces)
        """In bytes."""

    def chunks(self, size: int = SLICE) -> Iterator[memoryview]:
        """Give them in pieces of at most `size`.

        By default one for `socket.sendall`, whose time-out holds for the whole of what it is given.
        """
        for piece in self._pieces:
            yield from piece.chunks(size)

    def parts(self, size: int) -> Iterator["Body"]:
        """Cut them into bodies of `size` bytes, the last one of what is left."""
        for start in range(0, self.size, size):
            yield Body(list(self._range(start, start + size)))

    def _range(self, start: int, end: int) -> Iterator[RawBytes]:
        for piece in self._pieces:
            if start < piece.size and end > 0:
                first = max(start, 0)
                yield piece.part(first, end - first)
            start, end = start - piece.size, end - piece.size


def digest_of(data: Data) -> str:
    """Compute the SHA-256 of the bytes, in hex."""
    sha256 = hashlib.sha256()
    for chunk in Body(data).chunks(1024 * 1024):
        sha256.update(chunk)
    return sha256.hexdigest()


def size_of(data: Data) -> int:
    """Count the bytes."""
    return Body(data).size
