"""Waiting for what is told to nobody when it changes: S3 and NATS are asked again and again."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

T = TypeVar("T")

PATIENCE: Final = 120.0
"""Seconds after which it is given up; as long as a machine takes on which much else runs."""
_PAUSE: Final = 0.02


async def until(read: Callable[[], Awaitable[T]], wanted: Callable[[T], object] = bool) -> T:
    """Read until it is as wanted, and give that.

    Raises:
        TimeoutError: it did not become so.
    """
    async with asyncio.timeout(PATIENCE):
        while True:
            found = await read()
            if wanted(found):
                return found
            await asyncio.sleep(_PAUSE)


async def until_gone(pid: int) -> None:
    """Wait until a process that is not our child has ended.

    Raises:
        TimeoutError: it runs still.
    """
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    ended = asyncio.Event()
    asyncio.get_running_loop().add_reader(descriptor, ended.set)
    try:
        async with asyncio.timeout(PATIENCE):
            await ended.wait()
    finally:
        asyncio.get_running_loop().remove_reader(descriptor)
        os.close(descriptor)
