"""What several want at about the same time is done once, for all of them."""

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


@dataclass(slots=True)
class _Work(Generic[V]):
    task: "asyncio.Task[V]"
    waiting: int = 0


class Joined(Generic[K, V]):
    """Work under way, by what it is about."""

    def __init__(self) -> None:
        self._under_way: dict[K, _Work[V]] = {}

    async def get(self, key: K, work: Callable[[], Coroutine[None, None, V]]) -> V:
        """Give what comes of the work that is under way, or begin it.

        Who is cancelled takes nothing from the others; when the last one is, the work is cancelled too.

        Raises:
            Exception: as the work did; all who wait get it.
        """
        joined = self._under_way.get(key)
        if joined is None:
            joined = self._under_way[key] = _Work(asyncio.create_task(work()))
        joined.waiting += 1
        try:
            return await asyncio.shield(joined.task)
        finally:
            joined.waiting -= 1
            if not joined.waiting and self._under_way.get(key) is joined:
                del self._under_way[key]
                joined.task.cancel()
