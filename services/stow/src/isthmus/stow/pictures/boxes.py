"""The boxes of which ISO media consist: JP2 (ITU-T T.800 I.4) and MP4 (ISO/IEC 14496-12 4.2)."""

import struct
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from isthmus.stow.pictures.compressed import Unreadable


class Box(NamedTuple):
    """A box, by the place of its content."""

    kind: bytes
    begin: int
    end: int


def boxes(source: BinaryIO, begin: int, end: int) -> Iterator[Box]:
    """Give the boxes between two places, each of which is sought for itself.

    Raises:
        Unreadable: one goes beyond the end.
    """
    while begin + 8 <= end:
        source.seek(begin)
        head = source.read(16)
        if len(head) < 8:
            raise Unreadable("a file that breaks off")
        length, kind = struct.unpack_from(">L4s", head)
        content = begin + 8
        if length == 1 and len(head) == 16:
            (length,) = struct.unpack_from(">Q", head, 8)
            content += 8
        following = begin + length if length else end
        if not content <= following <= end:
            raise Unreadable("a file that breaks off")
        yield Box(kind, content, following)
        begin = following
