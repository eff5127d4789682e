"""A parser that fails, to see that it is found."""

from collections.abc import Iterable


def target(data: bytes) -> None:
    """Fail at one byte."""
    if b"\x07" in data:
        raise ValueError("it is there")


def seeds() -> Iterable[bytes]:
    """Without it."""
    yield b"\x05"
