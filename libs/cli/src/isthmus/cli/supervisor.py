"""Runs a set of programs: in order, each ready before the next stage starts, and again when one dies."""

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence

from isthmus.cli.process import Process, Program, StartError, describe_exit

Report = Callable[[str, str], None]
"""Takes the label of a program and what it wrote, or what happened to it."""

PidsChanged = Callable[[Mapping[str, Sequence[int]]], None]
"""Takes the process ids of each program that runs, by name."""

_GIVE_UP_AFTER = 5
_LONGEST_PAUSE = 10.0
_STEADY_AFTER = 30.0


class Supervisor:
    """Keeps programs running.

    Args:
        stages: What is started one after the other, and stopped the other way round; what stands in one stage
            is started, and stopped, at the same time.
        report: Gets every line of output and every event.
        pids_changed: Told whenever a process was started or has ended, until all are stopped.
    """

    def __init__(
        self, stages: Sequence[Sequence[Program]], *, report: Report, pids_changed: PidsChanged
    ) -> None:
        self._stages = [[_Child(program, report, self._changed) for program in stage] for stage in stages]
        self._pids_changed = pids_changed
        self._stopping = False

    async def run(self, *, ready: Callable[[], None]) -> None:
        """Start everything, say so, and keep it running until cancelled; then stop everything.

        Raises:
            StartError: a program does not start, or dies again and again.
        """
        keepers: list[asyncio.Task[None]] = []
        try:
            for stage in self._stages:
                await _together(child.start() for child in stage)
                keepers += [asyncio.create_task(child.keep()) for child in stage]
            ready()
            await asyncio.wait(keepers, return_when=asyncio.FIRST_EXCEPTION)
            for keeper in keepers:
                if keeper.done():
                    keeper.result()
        finally:
            self._stopping = True
            for keeper in keepers:
                keeper.cancel()
            await asyncio.gather(*keepers, return_exceptions=True)
            for stage in reversed(self._stages):
                await asyncio.gather(*(child.stop() for child in stage))

    def _changed(self) -> None:
        if self._stopping:
            return
        pids: dict[str, list[int]] = {}
        for child in (child for stage in self._stages for child in stage):
            pids.setdefault(child.program.name, []).extend(child.pids)
        self._pids_changed(pids)


class _Child:
    """A program, and its process as long as there is one."""

    def __init__(self, program: Program, report: Report, changed: Callable[[], None]) -> None:
        self.program = program
        self._report = report
        self._changed = changed
        self._process: Process | None = None

    @property
    def pids(self) -> list[int]:
        return [self._process.pid] if self._process is not None and self._process.running else []

    async def start(self) -> None:
        """Start it and wait until it is ready."""
        started = time.monotonic()
        self._process = await Process.start(self.program, on_line=self._line)
        self._changed()
        await self._process.wait_ready()
        self._say(f"is ready after {time.monotonic() - started:.1f} s, process {self._process.pid}")

    async def keep(self) -> None:
        """Start it again whenever it has ended, later and later the more often that happens."""
        failures = 0
        while self._process is not None:
            started = time.monotonic()
            code = await self._process.wait()
            self._changed()
            if time.monotonic() - started > _STEADY_AFTER:
                failures = 0
            failures = await self._again(f"ended with {describe_exit(code)}", failures)

    async def _again(self, reason: str, failures: int) -> int:
        while True:
            failures += 1
            if failures > _GIVE_UP_AFTER:
                last_lines = [*self._process.last_lines] if self._process is not None else []
                raise StartError(self.program.label, f"{reason}, {failures} times in a row", last_lines)
            pause = min(0.1 * 2 ** (failures - 1), _LONGEST_PAUSE)
            self._say(f"{reason}; starting it again in {pause:.1f} s")
            await asyncio.sleep(pause)
            try:
                await self.start()
            except StartError as error:
                reason = error.reason
                await self.stop()
            else:
                return failures

    async def stop(self) -> None:
        """Stop it, if it runs."""
        if self._process is not None:
            await self._process.stop()
            self._changed()

    def _line(self, line: str) -> None:
        if self.program.shows(line):
            self._report(self.program.label, line)

    def _say(self, event: str) -> None:
        self._report(self.program.label, event)


async def _together(starts: Iterable[Coroutine[None, None, None]]) -> None:
    """Run all of them; the first that fails ends the others."""
    try:
        async with asyncio.TaskGroup() as group:
            for start in starts:
                group.create_task(start)
    except* StartError as errors:
        first = errors.exceptions[0]
        while isinstance(first, BaseExceptionGroup):
            first = first.exceptions[0]
        failed: BaseException | None = first
    else:
        failed = None
    if failed is not None:
        raise failed
