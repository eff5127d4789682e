"""Programs in Python that begin at once: forks of a process that has imported what they need.

To start Python and to import pynetdicom takes half a second of processor time, a fork a tenth of that.
"""

import gc
import importlib
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Lock
from types import MappingProxyType
from typing import Final

ROOT: Final = Path(__file__).parents[2]
MOST_BYTES: Final = 64 * 1024
"""Of a request."""


class Fork:
    """A program that runs, until it is awaited."""

    def __init__(self, forks: "Forks", pid: int) -> None:
        self._forks = forks
        self._pid = pid
        self._code: int | None = None

    def kill(self) -> None:
        """End it at once, if it still runs."""
        if self._code is None:
            os.kill(self._pid, signal.SIGKILL)  # nobody else has its id before it is awaited

    def wait(self) -> int:
        """Wait for its end, and give its exit code; negative: the signal that ended it.

        Nothing else can be started meanwhile: let it be about to end.
        """
        if self._code is None:
            self._code = self._forks.ended(self._pid)
        return self._code


class Forks:
    """Starts one program as often as one likes; the process that is forked starts with the first of them."""

    def __init__(
        self, module: str, *imported: str, environment: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        """Prepare.

        Args:
            module: what is run, as by `python -m`.
            imported: modules that it needs.
            environment: added to ours.
        """
        self._arguments = (module, *imported)
        self._environment = environment
        self._lock = Lock()
        self._running: tuple[socket.socket, subprocess.Popen[bytes]] | None = None

    def start(self, descriptors: Sequence[int], arguments: Sequence[str] = (), folder: Path = ROOT) -> Fork:
        """Run it.

        Args:
            descriptors: what is its standard input, its output, and where there is a third, its errors.
            arguments: of the program.
            folder: where it runs.
        """
        return Fork(self, self._ask([str(folder), *arguments], descriptors))

    def ended(self, pid: int) -> int:
        """Wait for the end of a fork; see there."""
        return self._ask(pid)

    def close(self) -> None:
        """End the process that is forked; what was forked goes on. It starts again when it is needed."""
        with self._lock:
            if self._running is not None:
                connection, process = self._running
                connection.close()
                process.wait()
                self._running = None

    def _ask(self, request: object, descriptors: Sequence[int] = ()) -> int:
        with self._lock:
            if self._running is None:
                self._running = self._begin()
            connection, _ = self._running
            socket.send_fds(connection, [json.dumps(request).encode()], descriptors)
            return int(connection.recv(MOST_BYTES))

    def _begin(self) -> tuple[socket.socket, subprocess.Popen[bytes]]:
        ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with its:
            process = subprocess.Popen(
                [sys.executable, "-W", "ignore", "-m", __name__, str(its.fileno()), *self._arguments],
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                pass_fds=[its.fileno()],
                env={**os.environ, **self._environment},
            )
        return ours, process


def _main(descriptor: str, module: str, *imported: str) -> None:
    for name in imported:
        importlib.import_module(name)
    gc.freeze()  # else the end of each fork copies what it shares
    with socket.socket(fileno=int(descriptor)) as connection:
        while True:
            request, descriptors, _, _ = socket.recv_fds(connection, MOST_BYTES, 3)
            if not request:
                return
            asked = json.loads(request)
            if isinstance(asked, int):
                answer = os.waitstatus_to_exitcode(os.waitpid(asked, 0)[1])
            elif not (answer := os.fork()):
                break
            for one in descriptors:
                os.close(one)
            connection.send(str(answer).encode())
    _become(module, descriptors, *asked)


def _become(module: str, descriptors: Sequence[int], folder: str, *arguments: str) -> None:
    """Be the program, as it is called from a shell."""
    for place, descriptor in enumerate(descriptors):
        os.dup2(descriptor, place)
        os.close(descriptor)
    os.chdir(folder)
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__")


if __name__ == "__main__":
    _main(*sys.argv[1:])
