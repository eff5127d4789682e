"""What processes do in tests: each runs in one of its own."""

import ctypes
import os
import time
from pathlib import Path
from typing import NoReturn

from isthmus.common.errors import PixelsUnreadable
from isthmus.common.pixels.errors import CorruptFrame


def echo(value: object) -> object:
    return value


def length(data: bytes) -> int:
    return len(data)


def process_id() -> int:
    return os.getpid()


def environment() -> dict[str, str]:
    return dict(os.environ)


def niceness() -> int:
    return os.nice(0)


def leave() -> NoReturn:
    os._exit(3)


def crash() -> None:
    ctypes.string_at(0)


def hang(began: Path) -> None:
    """Hang, after saying so to whoever reads a named pipe."""
    began.write_bytes(b"began")
    time.sleep(60)


def write_to_standard_output() -> str:
    os.write(1, b"what a decoder in C has to say")
    return "done"


def fail() -> None:
    raise CorruptFrame("damaged")


def take_all_memory() -> int:
    return len(bytes(1 << 60))


def fail_in_what_cannot_cross() -> None:
    raise PixelsUnreadable("its arguments are keywords", instance="1.2.3")


def give_what_cannot_cross() -> object:
    return lambda: None
