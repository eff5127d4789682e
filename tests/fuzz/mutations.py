"""Bytes that are not quite what they were."""

import random
from collections.abc import Sequence
from typing import Final

_INTERESTING: Final = (
    b"\0",
    b"\xff",
    b"\r\n",
    b"\r",
    b"\n",
    b"%",
    b"%00",
    b"/",
    b"..",
    b"?",
    b"&",
    b";",
    b" ",
)
_NUMBERS: Final = (b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\x80\0\0\0", b"\0\0", b"\xff\xff")
_MOST_CHANGES: Final = 4
_LONGEST_RUN: Final = 64


def mutated(seed: bytes, others: Sequence[bytes], chance: random.Random) -> bytes:
    """Change a few places of a seed, with pieces of others among the changes."""
    data = bytearray(seed)
    for _ in range(chance.randint(1, _MOST_CHANGES)):
        at = chance.randint(0, len(data))
        end = min(len(data), at + chance.randint(1, _LONGEST_RUN))
        match chance.randrange(8):
            case 0:
                del data[at:end]
            case 1:
                data[at:at] = data[at:end] * chance.randint(1, 16)
            case 2:
                data[at:at] = chance.choice(_INTERESTING)
            case 3:
                number = chance.choice(_NUMBERS)
                data[at : at + len(number)] = number
            case 4 if at < len(data):
                data[at] ^= 1 << chance.randrange(8)
            case 5:
                other = chance.choice(others)
                begin = chance.randint(0, len(other))
                data[at:end] = other[begin : begin + _LONGEST_RUN]
            case 6:
                data[at:end] = chance.randbytes(end - at)
            case _:
                del data[at:]
        if not data:
            break
    return bytes(data)
