"""Functions that block run in threads, and the loop goes on."""

import asyncio
import contextvars
import gc
import threading

import pytest

from isthmus.common.threads import Threads


async def test_an_exception_of_the_function_reaches_the_caller() -> None:
    threads = Threads("test", 1)
    with pytest.raises(ZeroDivisionError):
        await threads.run(lambda: 1 // 0)
    threads.close()


async def test_a_cancelled_caller_leaves_the_function_to_finish_and_its_exception_is_dropped() -> None:
    complaints: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
    threads = Threads("test", 1)
    began, go_on, ended = threading.Event(), threading.Event(), threading.Event()

    def block() -> None:
        began.set()
        go_on.wait(5)
        ended.set()
        raise ValueError

    task = asyncio.create_task(threads.run(block))
    await asyncio.to_thread(began.wait, 5)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not ended.is_set()
    go_on.set()
    assert await asyncio.to_thread(ended.wait, 5)
    await threads.run(lambda: None)  # the one thread is free again
    del task
    gc.collect()
    assert complaints == []
    threads.close()


async def test_a_function_whose_caller_left_before_it_began_never_runs() -> None:
    threads = Threads("test", 1)
    go_on = threading.Event()
    ran: list[str] = []
    first = asyncio.create_task(threads.run(go_on.wait, 5))
    second = asyncio.create_task(threads.run(ran.append, "second"))
    await asyncio.sleep(0)
    second.cancel()
    with pytest.raises(asyncio.CancelledError):
        await second
    go_on.set()
    await first
    await threads.run(ran.append, "third")
    assert ran == ["third"]
    threads.close()


async def test_after_close_nothing_is_taken() -> None:
    threads = Threads("test", 1)
    threads.close()
    with pytest.raises(RuntimeError):
        await threads.run(lambda: None)


async def test_context_variables_go_along() -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable")
    variable.set("caller's")
    threads = Threads("test", 1)
    assert await threads.run(variable.get) == "caller's"
    threads.close()


async def test_functions_run_in_parallel_and_keyword_arguments_are_passed() -> None:
    threads = Threads("test", 2)
    both = threading.Barrier(2)
    await asyncio.gather(threads.run(both.wait, timeout=5), threads.run(both.wait, timeout=5))
    threads.close()
