"""pynetdicom's programs, as `python -m pynetdicom` runs them: each in a process of its own.

Only the half second is saved that Python and the imports take each time.
"""

import os
import select
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from tests.peers.dcmtk import ENVIRONMENT
from tests.peers.forks import Forks

PACKAGE: Final = "pynetdicom"
PROGRAMS: Final = tuple(
    f"{PACKAGE}.apps.{name}.{name}" for name in ("echoscu", "findscu", "getscu", "movescu", "storescu")
)
TIMEOUT_SECONDS: Final = 60


class PynetdicomPrograms:
    """Runs them; a context manager that ends what they are forked from."""

    def __init__(self) -> None:
        self._forks = Forks(PACKAGE, *PROGRAMS, environment=ENVIRONMENT)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._forks.close()

    def run(self, command: Sequence[str], folder: Path, log: Path) -> int:
        """Run a program to its end, and give its exit code; negative: the signal that ended it.

        Args:
            command: the name of the program, and what it is given.
            folder: where it runs.
            log: takes its standard output and error.
        """
        end, its_input = os.pipe()  # nothing is read from either: who has the other sees when it has ended
        with log.open("wb") as output:
            fork = self._forks.start([its_input, output.fileno(), output.fileno()], command, folder)
        os.close(its_input)
        with os.fdopen(end) as ended:
            if not select.select([ended], [], [], TIMEOUT_SECONDS)[0]:
                fork.kill()
        return fork.wait()
