"""Zip archives that are written as they are sent (PKWARE APPNOTE 6.3): application/zip of PS3.18 (Sup 211).

What is in them is stored, and not deflated: pixels hardly shrink. The directory, without which no program
takes them for an archive, comes after the last file: one that is broken off never looks complete.
"""

import struct
import zlib
from dataclasses import dataclass
from typing import Final

LARGEST: Final = 0xFFFFFFFE
"""Of a number in the original format; a larger one is in the ZIP64 format (4.5.3)."""
MOST: Final = 0xFFFE
"""Files in a directory of the original format."""
_ELSEWHERE: Final = 0xFFFFFFFF
_ELSEWHERE_16: Final = 0xFFFF
_ZIP64: Final = 0x0001
_VERSION, _VERSION_ZIP64 = 20, 45
_LENGTHS_FOLLOW: Final = 1 << 3
_FIRST_OF_1980: Final = 0x0021
_UNIX: Final = 3 << 8
_REGULAR_FILE: Final = 0o100644 << 16


@dataclass(slots=True)
class _Entry:
    name: bytes
    offset: int
    flags: int
    size: int
    crc: int = 0

    @property
    def is_large(self) -> bool:
        return self.size > LARGEST

    @property
    def common(self) -> tuple[int, ...]:
        """The fields from the flags to the checksum."""
        return self.flags, 0, 0, _FIRST_OF_1980, self.crc


class ZipWriter:
    """Writes what stands between the contents of the files, which the caller sends in their order."""

    def __init__(self) -> None:
        """Begin an archive without files."""
        self._entry: _Entry | None = None
        # Written entry by entry: all of them at the end would hold the loop.
        self._directory = bytearray()
        self._count = 0
        self._position = 0

    def file(self, name: str, content: bytes) -> bytes:
        """Give what goes before a file that is all there.

        Args:
            name: In ASCII, with slashes between folders.
            content: It goes next, and is not part of what is given.
        """
        entry = _Entry(name.encode("ascii"), self._position, 0, len(content), zlib.crc32(content))
        before = self._begun(entry)
        self._list(entry)
        return before

    def begin(self, name: str, size: int) -> bytes:
        """Give what goes before a file that comes in pieces; tell each by `add`, and at last call `end`."""
        self._entry = _Entry(name.encode("ascii"), self._position, _LENGTHS_FOLLOW, size)
        return self._begun(self._entry)

    def add(self, piece: bytes) -> bytes:
        """Give the next piece back, when it is accounted for."""
        entry = self._current
        entry.crc = zlib.crc32(piece, entry.crc)
        return piece

    def end(self) -> bytes:
        """Give what goes behind a file that came in pieces (4.3.9)."""
        entry = self._current
        self._list(entry)
        numbers = "QQ" if entry.is_large else "LL"
        return self._placed(struct.pack(f"<4sL{numbers}", b"PK\x07\x08", entry.crc, entry.size, entry.size))

    def close(self) -> bytes:
        """Give the directory; only for an archive to which nothing is missing."""
        start = self._position
        return bytes(self._directory) + _end(self._count, len(self._directory), start)

    @property
    def _current(self) -> _Entry:
        if self._entry is None:
            raise RuntimeError("No file was begun")
        return self._entry

    def _list(self, entry: _Entry) -> None:
        self._directory += _in_directory(entry)
        self._count += 1

    def _begun(self, entry: _Entry) -> bytes:
        size = entry.size
        # With lengths that follow, those here are zero, or the real ones in the ZIP64 format (4.4.4, 4.5.3).
        extra = struct.pack("<HHQQ", _ZIP64, 16, size, size) if entry.is_large else b""
        length = _ELSEWHERE if entry.is_large else 0 if entry.flags else size
        version = _VERSION_ZIP64 if entry.is_large else _VERSION
        head = struct.pack(
            "<4sHHHHHLLLHH",
            b"PK\x03\x04",
            version,
            *entry.common,
            length,
            length,
            len(entry.name),
            len(extra),
        )
        before = self._placed(head + entry.name + extra)
        self._position += size
        return before

    def _placed(self, data: bytes) -> bytes:
        self._position += len(data)
        return data


def _in_directory(entry: _Entry) -> bytes:
    large = b""
    size, offset = entry.size, entry.offset
    if entry.is_large:
        large += struct.pack("<QQ", size, size)
        size = _ELSEWHERE
    if offset > LARGEST:
        large += struct.pack("<Q", offset)
        offset = _ELSEWHERE
    extra = struct.pack("<HH", _ZIP64, len(large)) + large if large else b""
    version = _VERSION_ZIP64 if extra else _VERSION
    head = struct.pack(
        "<4sHHHHHHLLLHHHHHLL",
        b"PK\x01\x02",
        _UNIX | version,
        version,
        *entry.common,
        size,
        size,
        len(entry.name),
        len(extra),
        0,
        0,
        0,
        _REGULAR_FILE,
        offset,
    )
    return head + entry.name + extra


def _end(count: int, size: int, start: int) -> bytes:
    """Give the end of the directory (4.3.14 to 4.3.16)."""
    large = b""
    if count > MOST or max(size, start) > LARGEST:
        large = struct.pack(
            "<4sQHHLLQQQQ",
            b"PK\x06\x06",
            44,
            _UNIX | _VERSION_ZIP64,
            _VERSION_ZIP64,
            0,
            0,
            count,
            count,
            size,
            start,
        )
        large += struct.pack("<4sLQL", b"PK\x06\x07", 0, start + size, 1)
        count, size, start = _ELSEWHERE_16, _ELSEWHERE, _ELSEWHERE
    return large + struct.pack("<4sHHHHLLH", b"PK\x05\x06", 0, 0, count, count, size, start, 0)
