"""From the loop into a thread."""

import asyncio
import contextvars
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


class Threads:
    """A named, bounded set of threads for functions that block."""

    def __init__(self, name: str, workers: int) -> None:
        self.workers = workers
        """How many functions run at the same time; the others wait their turn."""
        self._executor = ThreadPoolExecutor(workers, thread_name_prefix=name)

    async def run(self, fn: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run `fn` in a thread, in a copy of the caller's context, and give what it returns or raises.

        If the awaiting task is cancelled, a function that has not begun never runs; one that has begun runs
        to its end, and its result or exception is dropped in silence. So `fn` must clean up after itself.

        Raises:
            RuntimeError: after `close`.
        """
        context = contextvars.copy_context()
        future = self._executor.submit(context.run, partial(fn, *args, **kwargs))
        return await asyncio.wrap_future(future)

    def close(self) -> None:
        """Take no more work, and drop what has not begun: who awaits that sees a cancellation.

        Functions that have begun run to their end; the interpreter waits for them when it exits.
        """
        self._executor.shutdown(wait=False, cancel_futures=True)
