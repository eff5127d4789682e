"""Running a replica that is to die."""

import asyncio
import json
import signal
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Timer
from typing import Final

from tests.peers.forks import Forks

DYING: Final = Forks("tests.arrivals.dying", "tests.arrivals.dying")
FORWARD_DYING: Final = Forks("tests.arrivals.forward_dying", "tests.arrivals.forward_dying")
"""The fixture that ends them is in conftest.py."""
_DIES_WITHIN: Final = 60.0


async def run_until_killed(program: Forks, place: str, environment: Mapping[str, str]) -> None:
    """Run `python -m MODULE PLACE ENVIRONMENT`, and see that it died there by SIGKILL."""
    assert await asyncio.to_thread(_run, program, [place, json.dumps(environment)]) == -signal.SIGKILL


def _run(program: Forks, arguments: Sequence[str]) -> int:
    with Path("/dev/null").open() as nothing:
        fork = program.start([nothing.fileno()], arguments)
    began = time.monotonic()
    late = Timer(_DIES_WITHIN, fork.kill)
    late.start()
    try:
        code = fork.wait()
        if time.monotonic() - began >= _DIES_WITHIN:
            raise TimeoutError(f"it lived for {_DIES_WITHIN:.0f} s")
    finally:
        late.cancel()
        late.join()
    return code
