"""A thread asks the loop, and waits for the answer."""

import asyncio
import contextvars
import inspect
import threading

import pytest

from isthmus.common.threads import LoopStopped, run_coroutine_from_thread
from tests.waiting import PATIENCE


async def answer() -> int:
    return 42


async def test_a_coroutine_that_takes_too_long_is_cancelled() -> None:
    loop = asyncio.get_running_loop()
    cancelled = asyncio.Event()

    async def never() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    with pytest.raises(TimeoutError):
        await asyncio.to_thread(run_coroutine_from_thread, never(), loop, 0.05)
    await asyncio.wait_for(cancelled.wait(), PATIENCE)


def test_a_closed_loop_is_told_and_the_coroutine_is_closed() -> None:
    loop = asyncio.new_event_loop()
    loop.close()
    coro = answer()
    with pytest.raises(LoopStopped):
        run_coroutine_from_thread(coro, loop, 1)
    assert inspect.getcoroutinestate(coro) == inspect.CORO_CLOSED


async def test_a_coroutine_that_is_cancelled_on_the_loop_is_told() -> None:
    async def cancels_itself() -> None:
        raise asyncio.CancelledError

    loop = asyncio.get_running_loop()
    with pytest.raises(LoopStopped):
        await asyncio.to_thread(run_coroutine_from_thread, cancels_itself(), loop, 5)


async def test_the_result_comes_back_and_the_threads_context_goes_along() -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable")
    loop = asyncio.get_running_loop()

    async def read() -> str:
        return variable.get()

    def ask() -> tuple[int, str]:
        variable.set("thread's")
        return run_coroutine_from_thread(answer(), loop, 5), run_coroutine_from_thread(read(), loop, 5)

    assert await asyncio.to_thread(ask) == (42, "thread's")


async def test_the_thread_does_something_else_while_the_loop_is_at_it() -> None:
    done = threading.Event()

    async def wait_for_it() -> bool:
        return await asyncio.to_thread(done.wait, 5)

    loop = asyncio.get_running_loop()
    assert await asyncio.to_thread(run_coroutine_from_thread, wait_for_it(), loop, 5, done.set)
