"""A process that has imported pynetdicom, and becomes one of its programs for each request: a fork of it.

What `python -m pynetdicom findscu` runs is run here too, in a process of its own, with its own output and
exit code. Only the half second is saved that Python and the imports take each time.

A request is a line of JSON on standard input: [folder, log, argument, ...]; the answer is the exit code.
"""

import gc
import importlib
import json
import os
import runpy
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Final, Self

from tests.peers.dcmtk import ENVIRONMENT

PACKAGE: Final = "pynetdicom"
PROGRAMS: Final = ("echoscu", "findscu", "getscu", "movescu", "storescu")
TIMEOUT_SECONDS: Final = 60


class PynetdicomPrograms:
    """Runs pynetdicom's programs, one after the other; a context manager that ends its process."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._popen = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", __name__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **ENVIRONMENT},
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._popen.communicate()  # the end of its input is its end

    def run(self, arguments: Sequence[str], folder: Path, log: Path) -> int:
        """Run a program to its end, and give its exit code; negative: the signal that ended it.

        Args:
            arguments: the name of the program, and what it is given.
            folder: where it runs.
            log: takes its standard output and error.
        """
        assert self._popen.stdin is not None
        assert self._popen.stdout is not None
        with self._lock:
            self._popen.stdin.write(json.dumps([str(folder), str(log), *arguments]) + "\n")
            self._popen.stdin.flush()
            return int(self._popen.stdout.readline())


def _main() -> None:
    for program in PROGRAMS:
        importlib.import_module(f"{PACKAGE}.apps.{program}.{program}")
    gc.freeze()  # else the end of each fork copies what it shares
    for line in sys.stdin:
        child = os.fork()
        if not child:
            return _become(*json.loads(line))
        sys.stdout.write(f"{os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])}\n")
        sys.stdout.flush()
    return None


def _become(folder: str, log: str, *arguments: str) -> None:
    """Be the program, as it is called from a shell."""
    signal.alarm(TIMEOUT_SECONDS)
    os.chdir(folder)
    for source, descriptors in ((os.devnull, (0,)), (log, (1, 2))):
        opened = os.open(source, os.O_RDWR | os.O_CREAT)
        for descriptor in descriptors:
            os.dup2(opened, descriptor)
    sys.argv = [PACKAGE, *arguments]
    runpy.run_module(PACKAGE, run_name="__main__")


if __name__ == "__main__":
    _main()
