"""The list of frames in a URL (PS3.18 10.4.1.1.6)."""

import re
from typing import Final

from isthmus.common.errors import InvalidParameter

LONGEST: Final = 10_000
"""Frames in one list."""

_NUMBER: Final = re.compile(r"[0-9]{1,18}")


def frame_numbers(text: str) -> tuple[int, ...]:
    """Read numbers from 1 on with commas between them; they stay in their order, and may be there twice.

    Raises:
        InvalidParameter: it is no such list, or a longer one than is answered at once; names `frames`.
    """
    items = text.split(",", LONGEST)
    if len(items) > LONGEST:
        raise InvalidParameter("frames", f"at most {LONGEST} frames can be had at once")
    if not all(map(_NUMBER.fullmatch, items)):
        raise InvalidParameter("frames", "is no list of numbers with commas between them")
    numbers = tuple(map(int, items))
    if 0 in numbers:
        raise InvalidParameter("frames", "frames are numbered from 1")
    return numbers
