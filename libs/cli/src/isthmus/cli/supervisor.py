"""Runs a set of programs: in order, each ready before the next stage starts, and again when one dies."""

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass

from isthmus.cli.process import Process, Program, StartError, describe_exit

Report = Callable[[str, str], None]
"""Takes the label of a program and what it wrote, or what happened to it."""

Changed = Callable[[Sequence["Running"]], None]
"""Takes how all programs are doing, in the order in which they start."""

_GIVE_UP_AFTER = 5
_LONGEST_PAUSE = 10.0
_STEADY_AFTER = 30.0


@dataclass(frozen=True, slots=True)
class Running:
    """How a program is doing, as far as its keeper knows: that it runs says not that it is ready."""

    name: str
    replica: int
    """As of `Program`."""
    pid: int | None
    """None while it has ended, and is to be started again."""
    since: float | None
    """When it was started last: seconds since 1970; None if it was not yet."""
    restarts: int
    """How often it was started again."""
    ended: str | None
    """How it ended the last time; None if it never has."""


class Supervisor:
    """Keeps programs running.

    Args:
        stages: What is started one after the other, and stopped the other way round; what stands in one stage
            is started, and stopped, at the same time.
        report: Gets every line of output and every event.
        changed: Told whenever a process was started or has ended, until all are stopped.
        failed: Gets which program has ended, or did not start again, and how.
    """

    def __init__(
        self, stages: Sequence[Sequence[Program]], *, report: Report, changed: Changed, failed: Report
    ) -> None:
        self._stages = [
            [_Child(program, report, failed, self._changed) for program in stage] for stage in stages
        ]
        self._told = changed
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
        if not self._stopping:
            self._told([child.running for stage in self._stages for child in stage])


class _Child:
    """A program, and its process as long as there is one."""

    def __init__(self, program: Program, report: Report, failed: Report, changed: Callable[[], None]) -> None:
        self.program = program
        self._report = report
        self._failed = failed
        self._changed = changed
        self._process: Process | None = None
        self._since: float | None = None
        self._starts = 0
        self._ended: str | None = None

    @property
    def running(self) -> Running:
        runs = self._process is not None and self._process.running
        return Running(
            self.program.name,
            self.program.replica,
            self._process.pid if self._process is not None and runs else None,
            self._since,
            max(0, self._starts - 1),
            self._ended,
        )

    async def start(self) -> None:
        """Start it and wait until it is ready."""
        started = time.monotonic()
        self._process = await Process.start(self.program, on_line=self._line)
        self._since = time.time()
        self._starts += 1
        self._changed()
        await self._process.wait_ready()
        self._say(f"is ready after {time.monotonic() - started:.1f} s, process {self._process.pid}")

    async def keep(self) -> None:
        """Start it again whenever it has ended, later and later the more often that happens."""
        failures = 0
        while self._process is not None:
            started = time.monotonic()
            code = await self._process.wait()
            if time.monotonic() - started > _STEADY_AFTER:
                failures = 0
            failures = await self._again(f"ended with {describe_exit(code)}", failures)

    async def _again(self, reason: str, failures: int) -> int:
        while True:
            failures += 1
            self._ended = reason
            self._changed()
            self._failed(self.program.label, reason)
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
