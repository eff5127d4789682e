"""A blob as a file, for pydicom in a thread: what is not read is not fetched."""

import io
from collections.abc import Callable
from typing import Final

READ_AHEAD: Final = 1024 * 1024
"""The size of the buffer to read with; only who reads on gets so much at once."""
_FIRST: Final = 64 * 1024
"""What holds most headers."""
_AFTER_A_LEAP: Final = 1024
_LEAP: Final = 32 * 1024


class RangeReader(io.RawIOBase):
    """A seekable file over ranged reads; wrap it in `io.BufferedReader`, with a buffer of `READ_AHEAD`.

    Who reads on gets more with each request, up to the whole buffer. Who leaps over values, from fragment to
    fragment or over pixel data, mostly wants no more than the next header, and gets little at first. What was
    fetched first is kept: readers return to the beginning, and a small blob is read to its end at once.
    """

    name = "<blob>"
    """pydicom asks for one; the key would hold UIDs."""

    def __init__(self, fetch: Callable[[int, int], bytes], size: int) -> None:
        """Make a file of `size` bytes, of which `fetch(offset, length)` gives a part."""
        super().__init__()
        self._fetch = fetch
        self._size = size
        self._position = 0
        self._fetched_to = 0
        self._next = _FIRST
        self._beginning = b""

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def tell(self) -> int:
        """Give the position."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go somewhere; nothing is fetched."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        if base + offset < 0:
            raise ValueError("negative position")
        self._position = base + offset
        return self._position

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # the buffer type has a name from 3.12 on
        """Give what is at hand, or fetch as much as is likely to be read, by one request."""
        if self._position < len(self._beginning):
            known = self._beginning[self._position : self._position + len(buffer)]
            buffer[: len(known)] = known
            self._position += len(known)
            self._fetched_to = self._position
            return len(known)
        if not 0 <= self._position - self._fetched_to <= _LEAP:
            self._next = _AFTER_A_LEAP
        length = min(len(buffer), self._size - self._position, self._next)
        if length <= 0:
            return 0
        data = self._fetch(self._position, length)
        if not self._position:
            self._beginning = data
        buffer[: len(data)] = data
        self._position += len(data)
        self._fetched_to = self._position
        self._next = max(self._next * 4, _FIRST)
        return len(data)
