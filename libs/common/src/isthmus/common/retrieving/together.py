"""Tasks that belong together: all end, or the first that fails ends the others."""

import asyncio
from collections.abc import Coroutine

from isthmus.common.bus import end_tasks


async def together(*work: Coroutine[object, object, None]) -> None:
    """Run at the same time; what the first one raises is raised, when the others have been ended."""
    tasks = [asyncio.create_task(one) for one in work]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        for task in done:
            task.result()
    finally:
        await end_tasks(tasks)
