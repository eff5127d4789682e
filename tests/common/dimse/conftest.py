"""What every test of an association checks."""

import threading
from collections.abc import Iterator

import pytest

from isthmus.common.threads import Threads


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    """Whatever happens to an association, its threads end."""
    before = set(threading.enumerate())
    yield
    for thread in set(threading.enumerate()) - before:
        thread.join(5)
        assert not thread.is_alive(), thread.name


@pytest.fixture
def threads() -> Iterator[Threads]:
    """Where a pool runs its operations."""
    made = Threads("dimse", 8)
    yield made
    made.close()
