"""A face whose loop is watched: `python -m bench.watched wado`, with the settings in its environment.

It is the service itself, with one more task on its loop, which wakes every other millisecond and notes how
late it was. Whatever keeps it from waking keeps every client waiting: a long callback, a thread that holds
the interpreter's lock, and the machine, when it has other things to do.
"""

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from importlib import import_module
from typing import Final

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import BaseRoute

from isthmus.common.access import PublicRoute
from isthmus.common.service import Parts, run

SILENCE: Final = "/silence"
"""Gives the longest silence since it was last asked for, and begins anew."""
_PERIOD: Final = 0.002


class Watch:
    """Notes for how long a loop was silent."""

    def __init__(self) -> None:
        self._longest = self._of_ours = 0.0

    async def watch(self) -> None:
        """Watch the running loop until this is cancelled."""
        now, used = time.perf_counter(), time.process_time()
        while True:
            await asyncio.sleep(_PERIOD)
            before, used_before = now, used
            now, used = time.perf_counter(), time.process_time()
            silent = now - before - _PERIOD
            self._longest = max(self._longest, silent)
            self._of_ours = max(self._of_ours, min(silent, used - used_before))

    async def silence(self, _: Request) -> JSONResponse:
        """Tell the longest one, and the longest in which this process computed, in seconds."""
        told = {"seconds": self._longest, "computing": self._of_ours}
        self._longest = self._of_ours = 0.0
        return JSONResponse(told)


def main(service: str) -> int:
    """Run a face as `python -m isthmus.SERVICE` does, and watch it."""
    watch = Watch()
    app = import_module(f"isthmus.{service}.app")

    def routes(parts: Parts) -> Sequence[BaseRoute]:
        return [*app.routes(parts), PublicRoute(SILENCE, watch.silence)]

    @asynccontextmanager
    async def watching(_: Parts) -> AsyncIterator[None]:
        task = asyncio.create_task(watch.watch())
        yield
        task.cancel()

    return run(service, routes=routes, lifespan=watching)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1]))
