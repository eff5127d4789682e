"""What is asked once for all who want to know it at about the same time, and remembered for a while."""

import time
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Hashable
from functools import partial
from typing import Generic, TypeVar

from isthmus.common.auth import acting_as
from isthmus.common.joined import Joined

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Remembered(Generic[K, V]):
    """Answers by what they are about; the oldest go where there are too many."""

    def __init__(self, ask: Callable[[K], Coroutine[None, None, V]], seconds: float, most: int) -> None:
        """Know nothing yet.

        Args:
            ask: finds out; it runs on nobody's behalf, as several may wait for it.
            seconds: for how long an answer is remembered.
            most: answers that are remembered.
        """
        self._ask = ask
        self._seconds = seconds
        self._most = most
        self._known: OrderedDict[K, tuple[float, V]] = OrderedDict()
        self._asking: Joined[K, V] = Joined()

    def known(self, key: K) -> V | None:
        """Give what is remembered."""
        found = self._known.get(key)
        if found is None or time.monotonic() >= found[0] + self._seconds:
            return None
        self._known.move_to_end(key)
        return found[1]

    def note(self, key: K, value: V) -> None:
        """Remember an answer that came otherwise."""
        self._known[key] = (time.monotonic(), value)
        self._known.move_to_end(key)
        while len(self._known) > self._most:
            self._known.popitem(last=False)

    async def get(self, key: K) -> V:
        """Give what is remembered, or ask.

        Raises:
            Exception: as `ask` did; all who wait get it, and it is not remembered.
        """
        known = self.known(key)
        return await self.anew(key) if known is None else known

    async def anew(self, key: K) -> V:
        """Ask in any case, but not twice at the same time.

        Raises:
            Exception: as `ask` did; all who wait get it, and it is not remembered.
        """
        with acting_as(None):
            return await self._asking.get(key, partial(self._find_out, key))

    async def _find_out(self, key: K) -> V:
        value = await self._ask(key)
        self.note(key, value)
        return value
