"""Who waits for a slot: tasks of this process, and other processes that say so."""

import asyncio
from bisect import insort
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final, Generic, Protocol, TypeVar

from isthmus.common.dimse.contexts import Context

WANTED_SECONDS: Final = 1.0
"""How long it is remembered that another process waits; then it says so again."""

A = TypeVar("A")


class Slot(Protocol):
    """The right to one association."""

    @property
    def lost(self) -> asyncio.Future[None]:
        """Done when the right is gone, and the association must be aborted."""

    async def release(self) -> None:
        """Give it back."""


class Slots(Protocol):
    """Where slots are had, shared by all processes."""

    async def take(self, priority: int) -> Slot:
        """Wait for a slot; who cancels this has none. A lower priority goes first."""

    def on_wanted(self, call: Callable[[bool], None]) -> None:
        """Have `call` told whenever somebody waits: True where that is another process."""


class Waiter(Generic[A]):
    """A task that waits for a slot, or for an association that it can use."""

    def __init__(self, contexts: Sequence[Context], *, fresh: bool, priority: int) -> None:
        self.priority = priority
        self.given: asyncio.Future[A] = asyncio.get_running_loop().create_future()
        """The association that it got, open already."""
        self._contexts = contexts
        self._fresh = fresh

    def can_use(self, proposed: frozenset[Context]) -> bool:
        """Whether an association for which these contexts were proposed suits it."""
        return not self._fresh and proposed.issuperset(self._contexts)


class WaitingList(Generic[A]):
    """Those who wait, by priority, then by when they came."""

    def __init__(self) -> None:
        self._waiters: list[Waiter[A]] = []
        self._elsewhere: deque[float] = deque()  # until when each of the other processes waits
        self.leaving = 0
        """Associations that end now: as many of the first in the list are about to get a slot."""

    @contextmanager
    def queued(self, waiter: Waiter[A]) -> Iterator[None]:
        """Have a task in the list for the time of the block."""
        insort(self._waiters, waiter, key=lambda one: one.priority)
        try:
            yield
        finally:
            self._waiters.remove(waiter)

    @property
    def unserved(self) -> bool:
        """Whether a task waits that has no slot on its way."""
        return len(self._without_association()) > self.leaving

    def taker(self, proposed: frozenset[Context]) -> Waiter[A] | None:
        """Give the task whose turn it is to use an association for which these contexts were proposed.

        Nobody is passed by but those who have a slot on its way.
        """
        for waiter in self._without_association()[: self.leaving + 1]:
            if waiter.can_use(proposed):
                return waiter
        return None

    def _without_association(self) -> list[Waiter[A]]:
        return [waiter for waiter in self._waiters if not waiter.given.done()]

    def add_elsewhere(self) -> None:
        """Take note that another process waits."""
        self._elsewhere.append(asyncio.get_running_loop().time() + WANTED_SECONDS)

    def take_elsewhere(self) -> bool:
        """Tell whether another process waits, and strike one from the list."""
        now = asyncio.get_running_loop().time()
        while self._elsewhere:
            if self._elsewhere.popleft() > now:
                return True
        return False
