"""A peer's process: start it, wait until it is ready, and see that it is gone again."""

import itertools
import os
import random
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from tests.waiting import PATIENCE

LOOPBACK = "127.0.0.1"
TERMINATE_SECONDS = 5.0
POLL_SECONDS = 0.02


class Peer(NamedTuple):
    """A DICOM application entity that takes associations."""

    ae_title: str
    host: str
    port: int


class PeerDied(RuntimeError):
    """The peer ended, or did not get ready in time; holds the end of its log."""


_PORTS_OF_A_PROCESS = 500
_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % 16


def _ports_of_this_process() -> Iterator[int]:
    """Give ports below those that `isthmus up` picks, and those of outgoing connections.

    So one that is given out stays free until the test uses it, also while other processes run other tests.
    """
    first = 12000 + _WORKER * _PORTS_OF_A_PROCESS
    begin = random.randrange(_PORTS_OF_A_PROCESS)  # two runs at once have the same workers
    return itertools.cycle(first + (begin + n) % _PORTS_OF_A_PROCESS for n in range(_PORTS_OF_A_PROCESS))


_ports = _ports_of_this_process()


def free_port() -> int:
    """A TCP port on which nobody listens on loopback; none is given out twice."""
    for port in itertools.islice(_ports, _PORTS_OF_A_PROCESS):
        with socket.socket() as listener:
            try:
                listener.bind((LOOPBACK, port))
            except OSError:
                continue
        return port
    raise RuntimeError("no port is free")


def free_ports(count: int) -> list[int]:
    """Several such ports."""
    return [free_port() for _ in range(count)]


def accepts_connections(port: int) -> bool:
    """Whether somebody listens on this port."""
    try:
        socket.create_connection((LOOPBACK, port), timeout=1).close()
    except OSError:
        return False
    return True


def eventually(condition: Callable[[], bool], *, timeout_seconds: float = PATIENCE) -> bool:
    """Ask again and again until the condition holds, for what has no event that could be awaited.

    Args:
        condition: asked every 20 ms.
        timeout_seconds: when to give up.

    Returns:
        Whether the condition came to hold.
    """
    deadline = time.monotonic() + timeout_seconds
    pause = threading.Event()
    while not condition():
        if time.monotonic() > deadline:
            return False
        pause.wait(POLL_SECONDS)
    return True


def inside_a_container() -> Mapping[str, str]:
    """Give what a program has there of an environment that nobody gave it."""
    return {"PATH": os.environ["PATH"]}


class Process:
    """A program in a process group of its own, so that what it forks ends with it."""

    def __init__(
        self, command: Sequence[str], *, log: Path, environment: Mapping[str, str], alone: bool = False
    ) -> None:
        """Start the program.

        Args:
            command: the program and its arguments.
            log: takes its standard output and error.
            environment: added to ours.
            alone: of ours it has the path of programs and nothing else, as in a container.
        """
        self._log = log
        self._name = Path(command[0]).name
        with log.open("ab") as output:
            self._popen = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**(inside_a_container() if alone else os.environ), **environment},
                start_new_session=True,
            )

    def wait_until(self, ready: Callable[[], bool], *, timeout_seconds: float = PATIENCE) -> None:
        """Wait until the peer is ready.

        Raises:
            PeerDied: it ended, or the time is up; it is stopped then.
        """

        def ready_or_dead() -> bool:
            return self._popen.poll() is not None or ready()

        in_time = eventually(ready_or_dead, timeout_seconds=timeout_seconds)
        if not in_time or self._popen.poll() is not None:
            self.stop()
            end_of_log = self._log.read_text(errors="replace")[-2000:]
            raise PeerDied(f"{self._name} {'ended' if in_time else 'was not ready in time'}:\n{end_of_log}")

    def stop(self) -> None:
        """End it and all that it forked: SIGTERM, a wait, SIGKILL. A second call does nothing."""
        self._signal_group(signal.SIGTERM)
        try:
            self._popen.wait(TERMINATE_SECONDS)
        except subprocess.TimeoutExpired:
            self._signal_group(signal.SIGKILL)
            self._popen.wait()
        # What it forked may outlive it, as the associations of dcmqrscp do.
        self._signal_group(signal.SIGKILL)

    def kill(self) -> None:
        """End it at once, as a crash would."""
        self._signal_group(signal.SIGKILL)
        self._popen.wait()

    def _signal_group(self, number: signal.Signals) -> None:
        try:
            os.killpg(self._popen.pid, number)
        except ProcessLookupError:
            return

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
