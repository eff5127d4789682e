"""What is done for one origin, of whichever kind: requests answered, and jobs taken from the queues."""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from isthmus.common.bus import Serving, end_tasks


@dataclass(frozen=True, slots=True)
class Served:
    """One origin that is served."""

    answering: tuple[Serving, ...]
    working: tuple[asyncio.Task[None], ...]

    async def stop(self) -> None:
        """Answer what can be answered soon, and hand the jobs over."""
        await asyncio.gather(end_tasks(self.working), *(one.finish() for one in self.answering))


@asynccontextmanager
async def serving(starts: Iterable[Coroutine[None, None, Served]]) -> AsyncIterator[None]:
    """Serve several origins until left.

    Args:
        starts: begins to serve each of them; started one after the other.
    """
    served: list[Served] = []
    try:
        for start in starts:
            one = await start
            served.append(one)
        yield
    finally:
        await asyncio.gather(*(one.stop() for one in served))
