"""A blob as a file, for pydicom in a thread: what is not read is not fetched."""

import io
from collections.abc import Callable

READ_AHEAD = 64 * 1024


class RangeReader(io.RawIOBase):
    """A seekable file over ranged reads; wrap it in `io.BufferedReader`, whose buffer is the read-ahead."""

    name = "<blob>"
    """pydicom asks for one; the key would hold UIDs."""

    def __init__(self, fetch: Callable[[int, int], bytes], size: int) -> None:
        """Make a file of `size` bytes, of which `fetch(offset, length)` gives a part."""
        super().__init__()
        self._fetch = fetch
        self._size = size
        self._position = 0

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
        """Fetch as much as the buffer takes, by one request."""
        length = min(len(buffer), self._size - self._position)
        if length <= 0:
            return 0
        data = self._fetch(self._position, length)
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)
