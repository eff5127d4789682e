"""The connections to an origin: lanes, each one connection with one request at a time.

Over HTTP/2 too. Streams that share a connection share its silence and its loss, and httpcore2 sends no
RST_STREAM for an answer that is not read to its end (encode/httpcore#943): its bytes would go on filling the
connection's window, until nobody gets any. So whoever leaves an answer early ends the connection.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, nullcontext
from typing import Final

import httpx2

LEAST_TO_KEEP_ONE: Final = 3
"""Lanes. With two the second is for what is wanted ahead of the rest of a study."""


class Lane:
    """One connection, as far as there is one just now."""

    def __init__(self, make: Callable[[], httpx2.AsyncClient]) -> None:
        self._make = make
        self._http: httpx2.AsyncClient | None = None

    @property
    def http(self) -> httpx2.AsyncClient:
        """What sends requests on it."""
        if self._http is None:
            self._http = self._make()
        return self._http

    async def end(self) -> None:
        """Close the connection; the next request opens another."""
        http, self._http = self._http, None
        if http is not None:
            await http.aclose()


class Lanes:
    """A bounded number of lanes."""

    def __init__(self, make: Callable[[], httpx2.AsyncClient], most: int) -> None:
        """Open nothing yet.

        Args:
            make: gives a client that keeps one connection at most.
            most: requests at one time.
        """
        self._free = asyncio.Semaphore(most)
        self._free_for_long = asyncio.Semaphore(most - 1 if most >= LEAST_TO_KEEP_ONE else most)
        self._idle = [Lane(make) for _ in range(most)]

    @asynccontextmanager
    async def one(self, *, long: bool) -> AsyncIterator[Lane]:
        """Wait for a lane, and have it alone; of those that are free the one that was used last.

        Args:
            long: whether it may take minutes: whoever searches does not wait for those, where enough
                lanes are there to keep one.
        """
        async with self._free_for_long if long else nullcontext(), self._free:
            lane = self._idle.pop()
            try:
                yield lane
            finally:
                self._idle.append(lane)

    async def close(self) -> None:
        """Close the connections that nobody uses."""
        async with AsyncExitStack() as all_of_them:
            for lane in self._idle:
                all_of_them.push_async_callback(lane.end)
