"""Coroutines that wait for nothing, driven without a loop, which would take longer than they do."""

from collections.abc import Coroutine
from typing import TypeVar

T = TypeVar("T")


def finish(coroutine: Coroutine[object, object, T]) -> T:
    """Run a coroutine to its end.

    Raises:
        AssertionError: it waits for something.
    """
    try:
        coroutine.send(None)
    except StopIteration as ended:
        value: T = ended.value
        return value
    raise AssertionError("it waits")
