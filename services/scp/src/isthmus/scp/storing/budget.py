"""How many bytes may be on their way into S3 at a time."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

MOST_OF_ONE: Final = 32 * 1024 * 1024
"""What a data set counts for at most: the large ones are in files, of which a few parts are in memory.

Else all others would wait, and some in vain, while one of gigabytes is written.
"""


class Budget:
    """A number of bytes that those who write share, first come, first served."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._left = size
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    @property
    def waiting(self) -> int:
        """How many wait for their turn."""
        return len(self._waiting)

    @asynccontextmanager
    async def taken(self, size: int) -> AsyncIterator[None]:
        """Wait until there is room; what is larger than all of it has the whole for itself."""
        size = min(size, self._size, MOST_OF_ONE)
        await self._take(size)
        try:
            yield
        finally:
            self._give_back(size)

    async def _take(self, size: int) -> None:
        if not self._waiting and size <= self._left:
            self._left -= size
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append((size, turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():  # it was given, and nobody takes it
                self._give_back(size)
            else:
                self._hand_out()  # to who waits behind it
            raise

    def _give_back(self, size: int) -> None:
        self._left += size
        self._hand_out()

    def _hand_out(self) -> None:
        while self._waiting:
            size, turn = self._waiting[0]
            if not turn.done():
                if size > self._left:
                    return
                self._left -= size
                turn.set_result(None)
            self._waiting.popleft()
