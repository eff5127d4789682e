"""Work in processes: one hangs, one dies, and all the others come to their end."""

import asyncio
import os
import signal
import sys
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from isthmus.common.pixels.errors import CorruptFrame, ProcessFailed, ProcessTimedOut
from isthmus.common.pixels.processes import PixelProcesses, _Process
from isthmus.common.telemetry import spans
from isthmus.common.threads import Threads
from tests.common.pixels import work
from tests.waiting import until_gone


def pipe(directory: Path) -> Path:
    """A named pipe: who reads it waits until somebody has written."""
    os.mkfifo(directory / "began")
    return directory / "began"


@pytest.fixture
async def processes() -> AsyncIterator[PixelProcesses]:
    processes = PixelProcesses(2, timeout_seconds=120)
    yield processes
    processes.close()


async def test_a_function_gives_what_it_returns_and_raises_what_it_raises(processes: PixelProcesses) -> None:
    assert await processes.run(work.length, b"12345") == 5
    with pytest.raises(CorruptFrame, match="damaged") as raised:
        await processes.run(work.fail)
    assert raised.value.detail == "damaged"
    assert "work.py" in raised.value.__notes__[0]


async def test_too_little_memory_is_a_failure_of_the_process(processes: PixelProcesses) -> None:
    with pytest.raises(ProcessFailed, match="memory"):
        await processes.run(work.take_all_memory)


async def test_a_process_is_used_again_and_is_nicer_than_the_service(processes: PixelProcesses) -> None:
    first = await processes.run(work.process_id)
    with pytest.raises(CorruptFrame):
        await processes.run(work.fail)
    assert await processes.run(work.process_id) == first != os.getpid()
    assert await processes.run(work.niceness) == os.nice(0) + 10


async def test_a_process_does_not_know_the_settings_of_the_service(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ISTHMUS_S3__SECRET_KEY", "secret")
    processes = PixelProcesses(1, timeout_seconds=120)
    known = await processes.run(work.environment)
    assert known["PATH"] == os.environ["PATH"]
    assert "secret" not in known.values()
    processes.close()


async def test_twenty_come_back_beside_those_that_die_hang_and_raise(tmp_path: Path) -> None:
    processes = PixelProcesses(2, timeout_seconds=8)
    bad = (
        processes.run(work.leave),
        processes.run(work.hang, tmp_path / "a file"),
        processes.run(work.crash),
        processes.run(work.fail),
        processes.run(work.fail_in_what_cannot_cross),
        processes.run(work.give_what_cannot_cross),
    )
    good = [processes.run(work.echo, number) for number in range(20)]
    outcomes = await asyncio.gather(*bad, *good, return_exceptions=True)
    assert outcomes[6:] == list(range(20))
    left, hung, crashed, *others = outcomes[:6]
    assert isinstance(left, ProcessFailed)
    assert "status 3" in left.detail
    assert isinstance(hung, ProcessTimedOut)
    assert isinstance(crashed, ProcessFailed)
    assert f"status {-signal.SIGSEGV}" in crashed.detail
    assert [type(other) for other in others] == [CorruptFrame, ProcessFailed, ProcessFailed]
    processes.close()


async def test_work_whose_caller_leaves_is_killed_and_its_place_is_free(tmp_path: Path) -> None:
    processes = PixelProcesses(1, timeout_seconds=120)
    running = await processes.run(work.process_id)
    began = pipe(tmp_path)
    task = asyncio.create_task(processes.run(work.hang, began))
    waiting = asyncio.create_task(processes.run(work.hang, tmp_path / "never"))
    await asyncio.to_thread(began.read_bytes)
    waiting.cancel()
    task.cancel()
    for cancelled in (task, waiting):
        with pytest.raises(asyncio.CancelledError):
            await cancelled
    assert await processes.run(work.process_id) != running
    with pytest.raises(ProcessLookupError):
        os.kill(running, 0)
    assert not (tmp_path / "never").exists()
    processes.close()


async def test_a_process_whose_work_is_about_to_begin_is_handed_to_nobody_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    processes = PixelProcesses(1, timeout_seconds=120)
    first = await processes.run(work.process_id)
    begins, may_go_on = threading.Event(), threading.Event()
    call = _Process.call

    def late(process: _Process, fn: Callable[..., object], args: tuple[object, ...]) -> object:
        begins.set()
        may_go_on.wait(10)
        return call(process, fn, args)

    with monkeypatch.context() as patched:
        patched.setattr(_Process, "call", late)
        task = asyncio.create_task(processes.run(work.echo, "of one"))
        await asyncio.to_thread(begins.wait)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    may_go_on.set()
    assert await processes.run(work.process_id) != first
    processes.close()


async def test_of_a_process_whose_work_never_begins_nothing_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    processes = PixelProcesses(1, timeout_seconds=120)
    process = await processes.run(work.process_id)

    async def never(self: Threads, fn: Callable[..., object], *args: object) -> object:
        raise asyncio.CancelledError

    with monkeypatch.context() as patched:
        patched.setattr(Threads, "run", never)
        with pytest.raises(asyncio.CancelledError):
            await processes.run(work.echo, 1)
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)
    processes.close()


async def test_nobody_misses_a_process_that_is_killed_while_nothing_is_to_do(
    processes: PixelProcesses,
) -> None:
    process = await processes.run(work.process_id)
    os.kill(process, signal.SIGKILL)
    await asyncio.to_thread(os.waitid, os.P_PID, process, os.WEXITED | os.WNOWAIT)
    assert await processes.run(work.process_id) != process


async def test_what_a_function_takes_must_pickle_and_the_next_is_done_all_the_same(
    processes: PixelProcesses,
) -> None:
    with pytest.raises((AttributeError, TypeError)):
        await processes.run(work.echo, [b"x" * 100_000, lambda: None])
    assert await processes.run(work.echo, 1) == 1


async def test_what_a_decoder_writes_to_standard_output_disturbs_nothing(processes: PixelProcesses) -> None:
    assert await processes.run(work.write_to_standard_output) == "done"


async def test_large_frames_cross_and_the_loop_goes_on(processes: PixelProcesses) -> None:
    frame = os.urandom(50_000_000)
    await asyncio.gather(processes.run(work.echo, 1), processes.run(work.echo, 2))
    turns = 0

    async def watch() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    watching = asyncio.create_task(watch())
    results = await asyncio.gather(*(processes.run(work.echo, frame) for _ in range(2)))
    watching.cancel()
    assert results == [frame, frame]
    assert turns > 100  # some thousand; two if the loop itself did it


async def test_after_the_end_nothing_is_run_and_nothing_is_left(tmp_path: Path) -> None:
    processes = PixelProcesses(2, timeout_seconds=120)
    first = await processes.run(work.process_id)
    began = pipe(tmp_path)
    task = asyncio.create_task(processes.run(work.hang, began))
    await asyncio.to_thread(began.read_bytes)
    processes.close()
    with pytest.raises((ProcessFailed, asyncio.CancelledError)):
        await task
    with pytest.raises(RuntimeError):
        await processes.run(work.echo, 1)
    with pytest.raises(ProcessLookupError):
        os.kill(first, 0)


async def test_processes_end_with_a_service_that_is_killed(tmp_path: Path) -> None:
    service = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _SERVICE, str(pipe(tmp_path)), stdout=asyncio.subprocess.PIPE
    )
    assert service.stdout
    busy, idle = (int(number) for number in (await service.stdout.readline()).split())
    service.kill()
    await service.wait()
    await asyncio.gather(until_gone(busy), until_gone(idle))


_SERVICE = """
import asyncio, sys
from pathlib import Path
from isthmus.common.pixels.processes import PixelProcesses, _Process
from tests.common.pixels import work

async def main():
    processes = PixelProcesses(2, 30)
    first, second = await asyncio.gather(processes.run(work.process_id), processes.run(work.process_id))
    began = Path(sys.argv[1])
    task = asyncio.create_task(processes.run(work.hang, began))
    await asyncio.to_thread(began.read_bytes)
    print(first, second, flush=True)
    await task

asyncio.run(main())
"""


async def test_a_trace_tells_what_was_done_how_long_and_nothing_of_what_it_was_done_with(
    processes: PixelProcesses, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(memory))
    monkeypatch.setattr(spans._Installed, "tracer", provider.get_tracer("test"))
    await processes.run(work.length, b"Doe^Archibald")
    (done,) = memory.get_finished_spans()
    assert (done.name, dict(done.attributes or {})) == ("process pixels", {"code.function.name": "length"})
