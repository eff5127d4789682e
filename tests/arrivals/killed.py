"""Running a replica that is to die."""

import asyncio
import signal
import sys
from collections.abc import Mapping


async def run_until_killed(module: str, place: str, environment: Mapping[str, str]) -> None:
    """Run `python -m MODULE PLACE`, and see that it died there by SIGKILL."""
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", module, place, env=environment)
    try:
        async with asyncio.timeout(60):
            assert await process.wait() == -signal.SIGKILL
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
