"""Processes in which pixels are worked on: one may hang, or die of what a file holds, and nothing else does.

Functions and what they take and give cross as pickles, through two pipes for each process, in a thread of its
own. Large bytes go straight to the pipe and come straight from it, so that neither the loop nor the
interpreter's lock is held for long.
"""

import asyncio
import contextlib
import math
import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Final, TypeVar, TypeVarTuple, cast

from isthmus.common.pixels.errors import ProcessFailed, ProcessTimedOut
from isthmus.common.pixels.pipe import PipeReader, PipeWriter
from isthmus.common.telemetry import span
from isthmus.common.telemetry.attributes import CODE_FUNCTION_NAME
from isthmus.common.threads import Threads

R = TypeVar("R")
Args = TypeVarTuple("Args")

_COMMAND: Final = (sys.executable, "-m", "isthmus.common.pixels.worker")
_SETTINGS: Final = "ISTHMUS_"
"""What begins the names of settings: decoders, which read what anybody may have written, do not get them."""
_GRACE: Final = 5
"""Seconds after which a process ends by itself what should have been ended."""
_ONE_THREAD: Final = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")


class PixelProcesses:
    """A bounded set of processes; each is started when it is first needed."""

    def __init__(self, processes: int, timeout_seconds: float) -> None:
        """Start nothing yet.

        Args:
            processes: How many pieces of work run at the same time; the others wait their turn.
            timeout_seconds: For one piece of work, the start of a process included; then it is killed.
        """
        self.processes: Final = processes
        self._timeout = timeout_seconds
        self._threads = Threads("pixels", processes)
        self._turns = asyncio.Semaphore(processes)
        self._idle: list[_Process] = []
        self._busy: set[_Process] = set()

    async def run(self, fn: Callable[[*Args], R], *args: *Args) -> R:
        """Run a function of a module in one of the processes, and give what it returns or raises.

        If the awaiting task is cancelled, work that has not begun never does, and the process of work that
        has is killed.

        Raises:
            ProcessTimedOut: it took too long.
            ProcessFailed: its process died.
            RuntimeError: after `close`.
        """
        with span("process pixels", {CODE_FUNCTION_NAME: fn.__qualname__}):
            return await self._run(fn, *args)

    async def _run(self, fn: Callable[[*Args], R], *args: *Args) -> R:
        async with self._turns:
            process = self._idle.pop() if self._idle else _Process(self._timeout)
            # Said here, and not by its thread: who is cancelled before that has begun must not hand it on.
            process.idle = False
            self._busy.add(process)
            try:
                async with asyncio.timeout(self._timeout) as limit:
                    return cast(R, await self._threads.run(process.call, fn, args))
            except TimeoutError as error:
                if limit.expired():
                    raise ProcessTimedOut(f"It took longer than {self._timeout:g} s") from error
                raise
            finally:
                self._busy.discard(process)
                if process.idle:
                    self._idle.append(process)
                else:
                    process.kill()

    def close(self) -> None:
        """End all processes; who still awaits work sees a failure or a cancellation."""
        self._threads.close()
        for process in self._busy:
            process.kill()
        for process in self._idle:
            process.end()
        self._idle.clear()


class _Process:
    """One process, which does one piece of work at a time; `kill` may be called from any thread."""

    def __init__(self, timeout_seconds: float) -> None:
        self.idle = False
        """Whether it has done its last piece of work to the end, and can do another."""
        self._running: _Running | None = None
        self._working = False
        """Whether a thread waits for what it does, and will see its end."""
        self._killed = False
        self._seconds = math.ceil(timeout_seconds) + _GRACE
        self._lock = threading.Lock()

    def call(self, fn: Callable[..., object], args: tuple[object, ...]) -> object:
        """Let it do a piece of work; blocks."""
        with self._lock:
            self._working = True
        try:
            return self._call(fn, args)
        finally:
            with self._lock:
                self._working = False

    def _call(self, fn: Callable[..., object], args: tuple[object, ...]) -> object:
        running = self._running
        if running is None or running.has_ended():
            running = self._start()
        try:
            running.writer.put((fn, args))
            succeeded, outcome = running.reader.get()
        except (EOFError, OSError, pickle.UnpicklingError) as error:
            raise ProcessFailed(f"The process that worked on it ended with status {self.end()}") from error
        except BaseException:  # what cannot be pickled is half written
            self.end()
            raise
        with self._lock:
            self.idle = True
            killed = self._killed
        if killed:  # when it was done already
            self.end()
        if not succeeded:
            raise outcome
        return outcome

    def _start(self) -> "_Running":
        with self._lock:
            if self._killed:
                raise ProcessFailed("The process that was to work on it was ended before it began")
            self._running = _Running(self._seconds)
        with contextlib.suppress(OSError):  # it is found out when there is work
            self._running.writer.put(sys.path)
        return self._running

    def kill(self) -> None:
        """Kill it if it runs, and let it never start."""
        with self._lock:
            self._killed = True
            if self._running is not None:
                self._running.process.kill()
                if not self._working:
                    self._running.wait()

    def end(self) -> int | None:
        """Kill it and wait until it is gone; give its exit status, negative for a signal."""
        self.kill()
        return None if self._running is None else self._running.wait()


class _Running:
    """A process that has been started, and its pipes."""

    def __init__(self, seconds: int) -> None:
        self.process = subprocess.Popen(  # noqa: S603 - ourselves
            (*_COMMAND, str(seconds)),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # decoders write what they like there
            bufsize=0,
            env={name: value for name, value in os.environ.items() if not name.startswith(_SETTINGS)}
            | _ONE_THREAD,
        )
        stdin, stdout = self.process.stdin, self.process.stdout
        if stdin is None or stdout is None:
            raise RuntimeError("A process without its pipes")
        self._pipes = (stdin, stdout)
        self.writer: Final = PipeWriter(stdin.fileno())
        self.reader: Final = PipeReader(stdout.fileno())

    def has_ended(self) -> bool:
        """Tell whether it is gone, and let go of it if so."""
        if self.process.poll() is None:
            return False
        self.wait()
        return True

    def wait(self) -> int:
        """Wait until it is gone, and give its exit status."""
        for pipe in self._pipes:
            pipe.close()
        return self.process.wait()
