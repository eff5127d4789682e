"""Who waits for a slot: tasks of this process, and other processes that say so."""

import asyncio
from bisect import insort
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, Generic, Protocol, TypeVar

from isthmus.common.dimse.contexts import Context

WANTED_SECONDS: Final = 1.5
"""How long it is remembered that another process waits; it says so again every second."""

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

    def on_wanted(self, call: Callable[[str | None, int], None]) -> None:
        """Have `call` told of everybody who waits, again and again.

        It gets a name for the task of another process, None for one of this, and the priority.
        """


class Waiter(Generic[A]):
    """A task that waits for a slot, or for an association that it can use."""

    def __init__(self, contexts: Sequence[Context], *, fresh: bool, priority: int) -> None:
        self.priority = priority
        self.since = asyncio.get_running_loop().time()
        self.given: asyncio.Future[A] = asyncio.get_running_loop().create_future()
        """The association that it got, open already."""
        self._contexts = contexts
        self._fresh = fresh

    def can_use(self, proposed: frozenset[Context]) -> bool:
        """Whether an association for which these contexts were proposed suits it."""
        return not self._fresh and proposed.issuperset(self._contexts)


@dataclass(frozen=True, slots=True)
class _Elsewhere:
    """A task of another process, that waits since then, and until then as far as we know."""

    priority: int
    since: float
    until: float


class WaitingList(Generic[A]):
    """Those who wait, by priority, then by when they came."""

    def __init__(self) -> None:
        self._waiters: list[Waiter[A]] = []
        self._elsewhere: dict[str, _Elsewhere] = {}
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

    def add_elsewhere(self, who: str, priority: int) -> None:
        """Take note that a task of another process waits, or still waits."""
        now = asyncio.get_running_loop().time()
        known = self._elsewhere.get(who)
        since = known.since if known is not None else now
        self._elsewhere[who] = _Elsewhere(priority, since, now + WANTED_SECONDS)

    def yields(self) -> bool:
        """Tell whether another process is before all of ours that have no slot on its way; strike it then."""
        now = asyncio.get_running_loop().time()
        self._elsewhere = {who: one for who, one in self._elsewhere.items() if one.until > now}
        if not self._elsewhere:
            return False
        first, theirs = min(self._elsewhere.items(), key=lambda item: (item[1].priority, item[1].since))
        ours = self._without_association()[self.leaving :]
        if ours and (ours[0].priority, ours[0].since) < (theirs.priority, theirs.since):
            return False
        del self._elsewhere[first]
        return True
