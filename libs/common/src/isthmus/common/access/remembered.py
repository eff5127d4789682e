"""What is asked once for all who want to know it at about the same time, and remembered for a while."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

from isthmus.common.auth import acting_as

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


@dataclass(slots=True)
class _Asking(Generic[V]):
    task: "asyncio.Task[V]"
    waiting: int = 0


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
        self._asking: dict[K, _Asking[V]] = {}

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
        asking = self._asking.get(key)
        if asking is None:
            with acting_as(None):
                asking = self._asking[key] = _Asking(asyncio.create_task(self._find_out(key)))
        asking.waiting += 1
        try:
            return await asyncio.shield(asking.task)
        finally:
            asking.waiting -= 1
            # Who is cancelled takes nothing from the others; when nobody waits, nobody is asked.
            if not asking.waiting and self._asking.get(key) is asking:
                del self._asking[key]
                asking.task.cancel()

    async def _find_out(self, key: K) -> V:
        value = await self._ask(key)
        self.note(key, value)
        return value
