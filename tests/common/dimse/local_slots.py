"""Slots without a bus: those of an origin that one process has for itself."""

import asyncio
from bisect import insort
from collections.abc import Callable


class LocalSlot:
    """A slot that a test may have lost."""

    def __init__(self, slots: "LocalSlots") -> None:
        self._slots = slots
        self._released = False
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def release(self) -> None:
        if not self._released and not self.lost.done():
            self._released = True
            self._slots.free += 1
            self._slots.serve()


class LocalSlots:
    """A number of slots; who waits in vain reminds the pool once."""

    def __init__(self, associations: int) -> None:
        self.free = associations
        self.taken: list[LocalSlot] = []
        """All that ever were."""
        self.wanted: Callable[[str | None, int], None] = lambda _, __: None
        self._waiting: list[tuple[int, asyncio.Future[LocalSlot]]] = []

    def on_wanted(self, call: Callable[[str | None, int], None]) -> None:
        self.wanted = call

    async def take(self, priority: int) -> LocalSlot:
        coming: asyncio.Future[LocalSlot] = asyncio.get_running_loop().create_future()
        insort(self._waiting, (priority, coming), key=lambda one: one[0])
        self.serve()
        if not coming.done():
            self.wanted(None, priority)
        try:
            return await coming
        except asyncio.CancelledError:
            if not coming.cancelled():
                await coming.result().release()
            raise

    def serve(self) -> None:
        while self.free and self._waiting:
            _, coming = self._waiting.pop(0)
            if not coming.done():
                self.free -= 1
                self.taken.append(LocalSlot(self))
                coming.set_result(self.taken[-1])
