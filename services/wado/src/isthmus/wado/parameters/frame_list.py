"""The list of frames in a URL (PS3.18 10.4.1.1.6)."""

import re
from typing import Final

from isthmus.common.config.limits import Limits
from isthmus.common.errors import InvalidParameter

_MOST: Final = Limits().max_frames
_NUMBER: Final = re.compile(r"[0-9]{1,18}")


def frame_numbers(text: str, most: int = _MOST) -> tuple[int, ...]:
    """Read numbers from 1 on with commas between them; they stay in their order, and may be there twice.

    Args:
        text: The list.
        most: Numbers that it may have.

    Raises:
        InvalidParameter: it is no such list, or a longer one than is answered at once; names `frames`.
    """
    items = text.split(",", most)
    if len(items) > most:
        raise InvalidParameter("frames", f"at most {most} frames can be had at once")
    if not all(map(_NUMBER.fullmatch, items)):
        raise InvalidParameter("frames", "is no list of numbers with commas between them")
    numbers = tuple(map(int, items))
    if 0 in numbers:
        raise InvalidParameter("frames", "frames are numbered from 1")
    return numbers
