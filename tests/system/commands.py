"""The commands of `isthmus` that end by themselves, each in a process that is forked: that saves a second."""

import subprocess
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryFile
from threading import Timer
from typing import Final

from tests.peers.forks import Forks

PROGRAM: Final = "isthmus.cli.main"
PROCESSES: Final = Forks(PROGRAM, PROGRAM)
"""Of all of them; the fixture that ends it is in conftest.py."""
_ENDS_WITHIN: Final = 60.0


def command(arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Run one to its end; one that does not come to it is killed."""
    with Path("/dev/null").open() as nothing, TemporaryFile("w+") as out, TemporaryFile("w+") as errors:
        fork = PROCESSES.start([file.fileno() for file in (nothing, out, errors)], arguments)
        timer = Timer(_ENDS_WITHIN, fork.kill)
        timer.start()
        try:
            code = fork.wait()
        finally:
            timer.cancel()
            timer.join()
        out.seek(0)
        errors.seek(0)
        return subprocess.CompletedProcess(["isthmus", *arguments], code, out.read(), errors.read())
