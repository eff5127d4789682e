"""What a parser may raise, and what must not be in it."""

from collections.abc import Iterator
from contextlib import contextmanager

PLANTED = "ZQPLANTED^QZ"
"""Stands for a patient's data in seeds: no error may quote it."""


class Leak(Exception):
    """An error quotes what came."""


@contextmanager
def refusing(*kinds: type[Exception]) -> Iterator[None]:
    """Let through errors of these kinds.

    Raises:
        Leak: one of them quotes a value.
    """
    try:
        yield
    except kinds as error:
        if PLANTED in str(error) or PLANTED in repr(error):
            raise Leak(f"{type(error).__name__} quotes what came") from error
