"""When the interpreter looks for objects that only refer to each other: while nobody waits.

It does so by itself too, in the middle of a request, and then visits every object that there is, while all
else stands still: some 100,000 are there from the start, and a search of 10,000 matches makes half a million.
That is a tenth of a second, and several times for one request. Nearly all that is not needed any more goes
without, as nothing refers to it; the rest may wait until the requests have ended.
"""

import asyncio
import gc
from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

_YOUNGER: Final = (700, 10)
"""As they are by default: these visit what is new only."""
AT_LAST: Final = 1000
"""After so many collections of the middle generation all objects are visited, whoever waits."""
BETWEEN_REQUESTS: Final = 50
"""After so many they are, where nobody does."""


def settle() -> None:
    """Let what is there now never be visited again: modules and classes stay to the end.

    Services do not look for garbage before: while they import, a sixth of the time would go into that.
    """
    gc.collect()
    gc.freeze()
    gc.enable()


class CollectBetweenRequests:
    """The application of a face, and when it collects; what is set for that is set for the process."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._running = 0
        gc.set_threshold(*_YOUNGER, AT_LAST)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        self._running += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._running -= 1
            if gc.get_count()[2] >= BETWEEN_REQUESTS:
                asyncio.get_running_loop().call_soon(self._collect)

    def _collect(self) -> None:
        if not self._running:
            gc.collect()
