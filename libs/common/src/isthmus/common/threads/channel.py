"""From a thread to the loop: many items, with back-pressure."""

import asyncio
import threading
from collections import deque
from collections.abc import AsyncIterator
from typing import Generic, TypeVar

T = TypeVar("T")


class ChannelClosed(Exception):
    """The reader has gone: nobody takes another item."""


class Channel(Generic[T], AsyncIterator[T]):
    """What threads write and one task on the loop reads, in order, at most `capacity` items between them.

    The writers call `put` and at last `close` or `fail`; the reader iterates. A reader that may leave early
    says so with `aclose`, best by `async with contextlib.aclosing(channel)`.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, capacity: int) -> None:
        self._loop = loop
        self._capacity = capacity
        self._items: deque[T] = deque()
        self._changed = threading.Condition()
        self._ready = asyncio.Event()
        self._ended = False
        self._error: BaseException | None = None
        self._abandoned = False

    def put(self, item: T) -> None:
        """Hand over an item; blocks the thread while the channel is full.

        Raises:
            ChannelClosed: the reader has gone, or its loop has; at once, also in the middle of the wait.
        """
        with self._changed:
            while not self._changed.wait_for(self._may_go_on, timeout=1):
                self._abandoned = self._loop.is_closed()  # its reader cannot say that it left
            if self._abandoned:
                raise ChannelClosed
            self._items.append(item)
        if not self._wake():
            raise ChannelClosed

    def _may_go_on(self) -> bool:
        return self._abandoned or len(self._items) < self._capacity

    def close(self) -> None:
        """Say that no more items come; the reader's iteration ends after the last one."""
        with self._changed:
            self._ended = True
        self._wake()

    def fail(self, error: BaseException) -> None:
        """Say that no more items come, because of `error`; the reader gets it after the last item."""
        with self._changed:
            self._ended = True
            self._error = error
        self._wake()

    def _wake(self) -> bool:
        try:
            self._loop.call_soon_threadsafe(self._ready.set)
        except RuntimeError:  # the loop is closed: nobody reads any more
            with self._changed:
                self._abandoned = True
                self._changed.notify_all()
            return False
        return True

    def __aiter__(self) -> "Channel[T]":
        """Read the items in order."""
        return self

    async def __anext__(self) -> T:
        """Give the next item, or raise what the writer failed with."""
        while True:
            with self._changed:
                if self._items:
                    item = self._items.popleft()
                    self._changed.notify()
                    return item
                if self._error is not None:
                    raise self._error
                if self._ended or self._abandoned:
                    raise StopAsyncIteration
                self._ready.clear()
            await self._ready.wait()

    async def aclose(self) -> None:
        """Leave: what is still in the channel is dropped, and a blocked writer wakes at once."""
        with self._changed:
            self._abandoned = True
            self._items.clear()
            self._changed.notify_all()
