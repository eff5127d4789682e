"""Slots for a peer whose associations are counted by each process for itself."""

import asyncio
from bisect import insort
from collections.abc import Callable
from typing import Final

NUDGE: Final = 1.0
"""Seconds between the reminders of who waits."""


class OwnSlot:
    """The right to one association; nobody else can take it away."""

    def __init__(self, slots: "OwnSlots") -> None:
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._slots: OwnSlots | None = slots

    async def release(self) -> None:
        """Give it to whoever waits; does nothing the second time."""
        slots, self._slots = self._slots, None
        if slots is not None:
            slots.give_back()


class OwnSlots:
    """A number of slots of one process, for one pool."""

    def __init__(self, associations: int) -> None:
        self._free = associations
        self._waiting: list[tuple[int, asyncio.Future[OwnSlot]]] = []
        self._wanted: Callable[[str | None, int], None] = lambda _, __: None

    def on_wanted(self, call: Callable[[str | None, int], None]) -> None:
        """Have `call` told whenever somebody waits for a slot, and every second while they do."""
        self._wanted = call

    async def take(self, priority: int) -> OwnSlot:
        """Wait for a slot; who cancels this has none. The lowest priority is served first."""
        coming: asyncio.Future[OwnSlot] = asyncio.get_running_loop().create_future()
        insort(self._waiting, (priority, coming), key=lambda one: one[0])
        self._hand_out()
        try:
            while not coming.done():
                self._wanted(None, priority)
                await asyncio.wait([coming], timeout=NUDGE)
        except asyncio.CancelledError:
            if not coming.cancel():
                await coming.result().release()
            raise
        return coming.result()

    def give_back(self) -> None:
        """Take note that a slot is free."""
        self._free += 1
        self._hand_out()

    def _hand_out(self) -> None:
        while self._free and self._waiting:
            _, coming = self._waiting.pop(0)
            if not coming.done():
                self._free -= 1
                coming.set_result(OwnSlot(self))
