"""Bytes as they came over the wire, a data set above all: in memory, or in a file where they are many."""

import mmap
import os
import tempfile
import weakref
from collections.abc import Iterator
from typing import Final

CHUNK: Final = 1024 * 1024
HEAD_BYTES: Final = 64 * 1024 * 1024
"""As much as `head` gives of a file: the UIDs stand before this in anything that was ever seen."""


class UnnamedFile:
    """A temporary file that has no name, and is gone with the last reference, however the process ends."""

    def __init__(self) -> None:
        """Make it, in the folder for temporary files.

        Raises:
            OSError: there can be none.
        """
        self._file: Final = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - closed with this object
        self.size = 0
        """Bytes written."""
        weakref.finalize(self, self._file.close)

    def append(self, data: bytes | memoryview) -> None:
        """Write all of it at the end.

        Raises:
            OSError: the disk does not take it.
        """
        with memoryview(data) as view:
            done = 0
            while done < view.nbytes:
                done += os.write(self._file.fileno(), view[done:])
        self.size += done

    def read(self, offset: int, length: int) -> bytes:
        """Give a range, shorter only at the end; for any thread."""
        return os.pread(self._file.fileno(), length, offset)

    def head(self, length: int) -> memoryview:
        """Give the beginning, of which only what is looked at is read."""
        length = min(length, self.size)
        if not length:
            return memoryview(b"")
        return memoryview(mmap.mmap(self._file.fileno(), length, access=mmap.ACCESS_READ))


class RawBytes:
    """Bytes that nobody changes any more, in memory or in a file; good as long as this is held."""

    __slots__ = ("_content", "_offset", "size")

    def __init__(
        self, content: bytes | bytearray | memoryview | UnnamedFile, offset: int = 0, size: int | None = None
    ) -> None:
        """Take what is there, or a range of it, without a copy."""
        self._content: Final = content if isinstance(content, UnnamedFile) else memoryview(content).cast("B")
        self._offset: Final = offset
        rest = (self._content.size if isinstance(self._content, UnnamedFile) else len(self._content)) - offset
        self.size: Final = rest if size is None else min(size, rest)

    @property
    def in_memory(self) -> int:
        """How many bytes it takes in memory."""
        return 0 if isinstance(self._content, UnnamedFile) else self.size

    def head(self) -> memoryview:
        """Give the beginning for `identify`: all that is in memory, or the first 64 MiB of a file.

        Of a file it maps the pages, and only those that are looked at take memory.
        """
        begin, end = self._offset, self._offset + self.size
        if isinstance(self._content, UnnamedFile):
            return self._content.head(min(end, begin + HEAD_BYTES))[begin:]
        return self._content[begin:end]

    def part(self, offset: int, size: int) -> "RawBytes":
        """Give a range, shorter only at the end."""
        return RawBytes(self._content, self._offset + offset, min(size, self.size - offset))

    def chunks(self, size: int = CHUNK) -> Iterator[memoryview]:
        """Give the bytes in pieces of at most `size`, without a copy where they are in memory."""
        end = self._offset + self.size
        for start in range(self._offset, end, size):
            count = min(size, end - start)
            if isinstance(self._content, UnnamedFile):
                yield memoryview(self._content.read(start, count))
            else:
                yield self._content[start : start + count]
