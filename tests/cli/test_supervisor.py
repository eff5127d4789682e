"""The supervisor, with children of a few lines that write down what happens to them."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from isthmus.cli.process import Process, Program, StartError
from isthmus.cli.supervisor import Running, Supervisor
from tests.waiting import PATIENCE, until_gone

NOTES = """
import signal, sys
def note(what):
    with open(sys.argv[2], "a") as file:
        file.write(f"{sys.argv[1]} {what}\\n")
"""
CHILD = (
    NOTES
    + """
def stop(*_):
    note("stopped")
    sys.exit(0)
signal.signal(signal.SIGTERM, stop)
note("started")
while True:
    signal.pause()
"""
)
STUBBORN = (
    NOTES
    + """
signal.signal(signal.SIGTERM, signal.SIG_IGN)
note("started")
while True:
    signal.pause()
"""
)
PARENT = """
import subprocess
grandchild = subprocess.Popen(["sleep", "1000"])
""" + CHILD.replace('note("started")', 'note(f"grandchild {grandchild.pid}"); note("started")')


class World:
    """A file of notes, and what the supervisor reported."""

    def __init__(self, directory: Path) -> None:
        self.notes = directory / "notes"
        self.notes.touch()
        self.reports: list[tuple[str, str]] = []
        self.failures: list[tuple[str, str]] = []
        self.running_ones: Mapping[str, Running] = {}
        self._changed = asyncio.Event()

    def program(self, name: str, script: str = CHILD, *, stop_within: float = 5) -> Program:
        async def ready() -> bool:
            return f"{name} started" in self.lines()

        return Program(
            name=name,
            command=[sys.executable, "-I", "-S", "-c", script, name, str(self.notes)],
            ready=ready,
            stop_within=stop_within,
        )

    def lines(self) -> list[str]:
        return self.notes.read_text().splitlines()

    def supervisor(self, *stages: Sequence[Program]) -> Supervisor:
        return Supervisor(stages, report=self._report, changed=self._told, failed=self._failed)

    @asynccontextmanager
    async def running(self, *stages: Sequence[Program]) -> AsyncIterator[None]:
        ready = asyncio.Event()
        task = asyncio.create_task(self.supervisor(*stages).run(ready=ready.set))
        try:
            async with asyncio.timeout(PATIENCE):
                await ready.wait()
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    def _report(self, label: str, text: str) -> None:
        self.reports.append((label, text))
        self._changed.set()

    def _failed(self, label: str, text: str) -> None:
        self.failures.append((label, text))

    def _told(self, programs: Sequence[Running]) -> None:
        self.running_ones = {one.name: one for one in programs}
        self._changed.set()

    def pid(self, name: str) -> int | None:
        return self.running_ones[name].pid


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


async def never() -> bool:
    return False


async def test_a_program_that_is_not_there_is_a_clear_error(world: World) -> None:
    program = Program(name="nothing", command=["/nonexistent/program"], ready=never)
    with pytest.raises(StartError, match=r"^nothing "):
        await world.supervisor([program]).run(ready=lambda: pytest.fail("ready"))


async def test_a_program_that_ends_at_once_is_named_with_its_last_words(world: World) -> None:
    program = world.program("broken", "import sys; print('no such setting', flush=True); sys.exit(2)")
    with pytest.raises(StartError, match=r"broken ended with exit code 2\n  no such setting"):
        await world.supervisor([program]).run(ready=lambda: pytest.fail("ready"))


async def test_a_program_that_never_becomes_ready_is_stopped_and_named(world: World) -> None:
    slow = Program(
        name="slow", command=world.program("slow").command, ready=never, ready_within=0.3, stop_within=5
    )
    with pytest.raises(StartError, match=r"slow was not ready within 0\.3 s"):
        await world.supervisor([slow]).run(ready=lambda: pytest.fail("ready"))


async def test_when_one_does_not_start_the_others_are_stopped(world: World) -> None:
    broken = world.program("broken", "raise SystemExit(1)")
    with pytest.raises(StartError):
        await world.supervisor([world.program("fine")], [broken]).run(ready=lambda: pytest.fail("ready"))
    assert world.lines() == ["fine started", "fine stopped"]


async def test_stages_start_in_order_and_stop_in_reverse(world: World) -> None:
    stages = [[world.program(name)] for name in ("first", "second", "third")]
    async with world.running(*stages):
        pass
    assert world.lines() == [
        "first started",
        "second started",
        "third started",
        "third stopped",
        "second stopped",
        "first stopped",
    ]


async def test_a_child_that_is_killed_starts_again_under_a_new_process_id(world: World) -> None:
    async with world.running([world.program("child"), world.program("other")]):
        child, other = world.running_ones["child"], world.running_ones["other"]
        assert (child.restarts, child.ended) == (0, None)
        assert child.pid is not None
        assert child.since is not None
        os.kill(child.pid, signal.SIGKILL)
        await world.until(lambda: world.pid("child") not in (None, child.pid))
        assert world.running_ones["other"] == other
        again = world.running_ones["child"]
        assert (again.restarts, again.ended) == (1, "ended with signal SIGKILL")
        assert again.since is not None
        assert again.since > child.since
    assert world.failures == [("child", "ended with signal SIGKILL")]
    assert ("child", "ended with signal SIGKILL; starting it again in 0.1 s") in world.reports


async def test_a_child_that_dies_again_and_again_ends_everything(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("isthmus.cli.supervisor._LONGEST_PAUSE", 0.01)
    program = world.program(
        "mortal",
        NOTES + "note('started'); signal.signal(signal.SIGALRM, signal.SIG_DFL); "
        "signal.setitimer(signal.ITIMER_REAL, 0.1); signal.pause()",
    )
    with pytest.raises(StartError, match="6 times in a row"):
        await world.supervisor([world.program("fine")], [program]).run(ready=lambda: None)
    assert world.lines()[-1] == "fine stopped"


async def test_a_child_that_does_not_listen_is_killed(world: World) -> None:
    async with world.running([world.program("stubborn", STUBBORN, stop_within=0.2)]):
        pid = world.pid("stubborn")
    assert pid is not None
    assert gone(pid)


async def test_what_a_child_has_started_is_gone_with_it(world: World) -> None:
    async with world.running([world.program("parent", PARENT)]):
        grandchild = int(world.lines()[0].split()[-1])
        assert not gone(grandchild)
    await until_gone(grandchild)


async def test_what_children_write_is_reported_by_line(world: World) -> None:
    script = CHILD.replace('note("started")', "print('one\\ntwo', end='', flush=True); note('started')")
    async with world.running([world.program("talker", script)]):
        await world.until(lambda: ("talker", "one") in world.reports)
    assert ("talker", "two") in world.reports


async def test_children_die_with_a_supervisor_that_is_killed(world: World) -> None:
    script = f"""
import asyncio, sys
sys.path[:0] = {sys.path!r}
from isthmus.cli.process import Process, Program
async def main():
    async def ready(): return True
    command = [sys.executable, "-I", "-S", "-c", {STUBBORN!r}, "orphan", {str(world.notes)!r}]
    process = await Process.start(Program(name="orphan", command=command, ready=ready))
    print(process.pid, flush=True)
    await process.wait()
asyncio.run(main())
"""
    lines: asyncio.Queue[str] = asyncio.Queue()
    program = Program(name="up", command=[sys.executable, "-c", script], ready=never)
    process = await Process.start(program, on_line=lines.put_nowait)
    async with asyncio.timeout(PATIENCE):
        orphan = int(await lines.get())
    os.kill(process.pid, signal.SIGKILL)
    await process.wait()
    await until_gone(orphan)
