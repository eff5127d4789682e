"""What many clients of one process want at about the same time is fetched or made once."""

from collections import OrderedDict
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Generic, TypeVar

from isthmus.common.joined import Joined

T = TypeVar("T")


class SharedObjects(Generic[T]):
    """Objects by a name that never means another: a blob's key, or what is made from it.

    A slow client holds up nobody: who comes for something that was dropped meanwhile gets it anew.
    """

    def __init__(self, room: int, weigh: Callable[[T], int]) -> None:
        """Begin empty.

        Args:
            room: How many bytes are kept for those who come a little later.
            weigh: Tells how many bytes an object takes.
        """
        self._room = room
        self._weigh = weigh
        self._kept: OrderedDict[str, T] = OrderedDict()
        self._size = 0
        self._making: Joined[str, T] = Joined()

    async def get(self, name: str, make: Callable[[], Coroutine[None, None, T]]) -> T:
        """Give what is kept or being made under a name, or make it.

        Who is cancelled takes nothing from the others; when the last one is, the making is cancelled too.

        Raises:
            Exception: as `make` did; all who wait get it, and the next one makes it anew.
        """
        kept = self._kept.get(name)
        if kept is not None:
            self._kept.move_to_end(name)
            return kept
        return await self._making.get(name, partial(self._make, name, make))

    def drop(self, name: str) -> None:
        """Keep nothing under a name any more."""
        dropped = self._kept.pop(name, None)
        if dropped is not None:
            self._size -= self._weigh(dropped)

    def clear(self) -> None:
        """Keep nothing of what was made so far."""
        self._kept.clear()
        self._size = 0

    async def _make(self, name: str, make: Callable[[], Coroutine[None, None, T]]) -> T:
        made = await make()
        self.drop(name)
        self._kept[name] = made
        self._size += self._weigh(made)
        while self._size > self._room:
            _, dropped = self._kept.popitem(last=False)
            self._size -= self._weigh(dropped)
        return made


class Shared(SharedObjects[bytes]):
    """Bytes by a name."""

    def __init__(self, room: int) -> None:
        """Begin empty; `room` is how many bytes are kept for those who come a little later."""
        super().__init__(room, len)
