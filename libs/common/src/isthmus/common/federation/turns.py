"""Working through many matches without holding up everybody else."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import Final, TypeVar

T = TypeVar("T")

TURN_SECONDS: Final = 0.003
"""For so long they are worked on before others have a turn."""


async def in_turns(items: Iterable[T]) -> AsyncIterator[T]:
    """Give them all; what makes each, and what is done with it, counts for the time of a turn."""
    loop = asyncio.get_running_loop()
    begun = loop.time()
    for item in items:
        if loop.time() - begun > TURN_SECONDS:
            await asyncio.sleep(0)
            begun = loop.time()
        yield item
