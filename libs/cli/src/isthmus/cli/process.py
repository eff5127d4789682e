"""One child process: its command line, how it is started, watched and stopped.

Every child leads a session of its own, so that a Ctrl-C in the terminal reaches only us and we decide the
order in which they stop, and so that whatever a child started is stopped with it. On Linux a child is killed
by the kernel when we are (prctl(2), PR_SET_PDEATHSIG): nothing outlives `isthmus up`, even if that is killed.
"""

import asyncio
import os
import shutil
import signal
import socket
import sys
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

LAST_LINES = 20
_LINE_LIMIT = 8192

# Runs between fork and exec of a child. A program of its own rather than subprocess's preexec_fn, which may
# deadlock in a process with threads (and warns of it from Python 3.12 on).
_LAUNCH = """
import ctypes, os, sys
ctypes.CDLL(None).prctl(1, 9)
if os.getppid() != int(sys.argv[1]):
    sys.exit(1)
os.execv(sys.argv[2], sys.argv[2:])
"""


@dataclass(frozen=True)
class Program:
    """What to run, and how to see that it is ready.

    Attributes:
        name: What it is called; replicas have the same name.
        replica: Which one of several it is, from 1; 0 is the only one.
        command: The executable, as an absolute path, and its arguments; no secrets, everybody can see them.
        ready: Whether the program does its work now; called again until it says so, must not raise.
        environment: What is set besides our own environment.
        directory: Its working directory.
        ready_within: Seconds after which it counts as failed to start.
        stop_within: Seconds that it has between SIGTERM and SIGKILL.
        shows: Which lines of its output the user wants to see.
    """

    name: str
    command: Sequence[str]
    ready: Callable[[], Awaitable[bool]]
    environment: Mapping[str, str] = field(default_factory=dict)
    directory: Path | None = None
    ready_within: float = 180
    stop_within: float = 5
    replica: int = 0
    shows: Callable[[str], bool] = bool

    @property
    def label(self) -> str:
        """What its log lines are prefixed with."""
        return f"{self.name}-{self.replica}" if self.replica else self.name


class StartError(Exception):
    """A program did not start; the text holds the last lines that it wrote."""

    def __init__(self, name: str, reason: str, last_lines: Sequence[str] = ()) -> None:
        super().__init__("\n".join([f"{name} {reason}", *(f"  {line}" for line in last_lines)]))
        self.name = name
        self.reason = reason


class Process:
    """A running program."""

    def __init__(self, program: Program, child: asyncio.subprocess.Process) -> None:
        self.program = program
        self.last_lines: deque[str] = deque(maxlen=LAST_LINES)
        self._child = child
        self._reader: asyncio.Task[None] | None = None

    @classmethod
    async def start(
        cls, program: Program, *, log: Path | None = None, on_line: Callable[[str], None] | None = None
    ) -> "Process":
        """Start the program.

        Args:
            program: What to run.
            log: The file that takes its output; the process then needs no running event loop to go on.
            on_line: Called for each line of its output, where there is no `log`.

        Raises:
            StartError: it is not there, or may not be run.
        """
        command = [*program.command]
        if sys.platform == "linux":
            command = [sys.executable, "-I", "-S", "-c", _LAUNCH, str(os.getpid()), *command]
        output = (
            os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600) if log else asyncio.subprocess.PIPE
        )
        try:
            child = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=asyncio.subprocess.STDOUT,
                env={**os.environ, **program.environment},
                cwd=program.directory,
                start_new_session=True,
            )
        except OSError as error:
            raise StartError(program.label, f"cannot be run: {error.strerror}") from error
        finally:
            if log:
                os.close(output)
        process = cls(program, child)
        if child.stdout is not None:
            process._reader = asyncio.create_task(process._read(child.stdout, on_line))
        return process

    @property
    def pid(self) -> int:
        """The process id, which is that of its session and process group too."""
        return self._child.pid

    @property
    def running(self) -> bool:
        """Whether it has not ended yet."""
        return self._child.returncode is None

    async def wait(self) -> int:
        """Wait until it has ended; give its exit code, or the negative number of the signal that ended it."""
        code = await self._child.wait()
        if self._reader is not None:
            await self._reader
        return code

    async def wait_ready(self) -> None:
        """Wait until the program is ready.

        Raises:
            StartError: it ended, or was not ready in time.
        """
        try:
            async with asyncio.timeout(self.program.ready_within):
                pause = 0.02
                while not await self.program.ready():
                    if not self.running:
                        code = await self.wait()
                        raise StartError(
                            self.program.name, f"ended with {describe_exit(code)}", [*self.last_lines]
                        )
                    await asyncio.sleep(pause)
                    pause = min(pause * 1.5, 0.25)
        except TimeoutError:
            reason = f"was not ready within {self.program.ready_within:g} s"
            raise StartError(self.program.label, reason, [*self.last_lines]) from None

    async def stop(self) -> None:
        """Stop it and whatever it started: SIGTERM, and SIGKILL for what is left after `stop_within`."""
        if self.running:
            self._signal(signal.SIGTERM)
            with suppress(TimeoutError):
                async with asyncio.timeout(self.program.stop_within):
                    await self._child.wait()
        self._signal(signal.SIGKILL)
        await self.wait()

    def _signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):  # nobody is left in the group
            os.killpg(self.pid, number)

    async def _read(self, stream: asyncio.StreamReader, on_line: Callable[[str], None] | None) -> None:
        rest = b""
        while chunk := await stream.read(65536):
            *lines, rest = (rest + chunk).split(b"\n")
            if len(rest) > _LINE_LIMIT:
                lines, rest = [*lines, rest], b""
            for line in lines:
                self._take(line, on_line)
        if rest:
            self._take(rest, on_line)

    def _take(self, line: bytes, on_line: Callable[[str], None] | None) -> None:
        text = line.decode(errors="replace").rstrip()
        self.last_lines.append(text)
        if on_line is not None and text:
            on_line(text)


def describe_exit(code: int) -> str:
    """Say how a process ended, from its return code."""
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"


def executable(name: str) -> str:
    """Find a program that one of our distributions brought, or else one on the path.

    Raises:
        StartError: it is nowhere.
    """
    beside = Path(sys.executable).parent / name
    if os.access(beside, os.X_OK):
        return str(beside)
    found = shutil.which(name)
    if found is None:
        raise StartError(name, "is not installed")
    return found


def port_is_free(host: str, port: int) -> bool:
    """Whether a server could listen there now."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
        return True
