"""Range requests (RFC 9110 14): some of the bytes of a representation.

One range at a time. Whoever asks for several gets the whole, as whoever writes what cannot be read (14.2).
"""

import re
from dataclasses import dataclass
from typing import Final

from isthmus.common.errors import RangeNotSatisfiable

_RANGE: Final = re.compile(r"bytes[ \t]*=[ \t,]*(?:([0-9]{1,19})-([0-9]{1,19})?|-([0-9]{1,19}))[ \t,]*", re.I)


@dataclass(frozen=True, slots=True)
class ByteRange:
    """Some bytes of a representation, one at least."""

    offset: int
    length: int
    size: int
    """Of the whole."""

    @property
    def content_range(self) -> str:
        """Give it as the header has it."""
        return f"bytes {self.offset}-{self.offset + self.length - 1}/{self.size}"


def byte_range(header: str, size: int) -> ByteRange | None:
    """Read a Range header; None where the whole is to be sent.

    Args:
        header: Its value.
        size: Of the representation, in bytes.

    Raises:
        RangeNotSatisfiable: the range lies beyond the end.
    """
    found = _RANGE.fullmatch(header.strip())
    if found is None:
        return None
    first, last, suffix = (None if text is None else int(text) for text in found.groups())
    if first is None:
        first, last = max(size - (suffix or 0), 0), size - 1
        if not suffix:
            raise RangeNotSatisfiable(size)
    elif last is not None and last < first:
        return None
    if first >= size:
        raise RangeNotSatisfiable(size)
    end = size if last is None else min(last + 1, size)
    return ByteRange(first, end - first, size)
