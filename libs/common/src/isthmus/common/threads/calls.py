"""From a thread to the loop: one question, one answer."""

import asyncio
import concurrent.futures
from collections.abc import Callable, Coroutine
from typing import TypeVar

R = TypeVar("R")


class LoopStopped(Exception):
    """The loop is closed, or stopped before it had the answer."""


def run_coroutine_from_thread(
    coro: Coroutine[object, object, R],
    loop: asyncio.AbstractEventLoop,
    timeout: float,
    meanwhile: Callable[[], None] = lambda: None,
) -> R:
    """Run a coroutine on `loop` and wait for its result in this thread, in a copy of the thread's context.

    Args:
        coro: what to run; closed unrun if the loop is gone.
        loop: a loop that runs in another thread.
        timeout: seconds; after them the coroutine is cancelled.
        meanwhile: what this thread does before it waits; it is not to raise.

    Raises:
        TimeoutError: it took longer than `timeout`.
        LoopStopped: there is no loop to run it any more, or it was cancelled there.
    """
    try:
        future = asyncio.run_coroutine_threadsafe(coro, loop)
    except RuntimeError as error:
        coro.close()
        raise LoopStopped from error
    meanwhile()
    try:
        return future.result(timeout)
    except concurrent.futures.CancelledError as error:
        raise LoopStopped from error
    except TimeoutError:
        future.cancel()
        raise
