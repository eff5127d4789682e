"""What is written: buffers that are sent one after another, and never joined."""

import hashlib
from collections.abc import Iterator, Sequence

Buffer = bytes | bytearray | memoryview
Data = Buffer | Sequence[Buffer]
"""A blob's bytes: one buffer, or several in their order (a Part 10 header and the data set as it came)."""

SLICE = 128 * 1024


def buffers(data: Data) -> list[memoryview]:
    """Give the bytes as views, without a copy."""
    parts = [data] if isinstance(data, bytes | bytearray | memoryview) else data
    return [memoryview(part).cast("B") for part in parts if len(part)]


def digest_of(data: Data) -> str:
    """Compute the SHA-256 of the bytes, in hex."""
    sha256 = hashlib.sha256()
    for view in buffers(data):
        sha256.update(view)
    return sha256.hexdigest()


def size_of(data: Data) -> int:
    """Count the bytes."""
    return sum(view.nbytes for view in buffers(data))


def slices(views: Sequence[memoryview]) -> Iterator[memoryview]:
    """Cut them into pieces for `socket.sendall`, whose time-out holds for the whole of what it is given."""
    for view in views:
        for start in range(0, view.nbytes, SLICE):
            yield view[start : start + SLICE]
