"""Find processes that a test run left behind, whoever their parent is by now."""

import os
import secrets
import signal
from pathlib import Path
from typing import Final

from tests.peers.process import eventually

VARIABLE: Final = "TEST_RUN_OF_ISTHMUS"
GRACE_SECONDS: Final = 5.0


class Leftovers:
    """Marks the environment, which everything that is started from now on inherits."""

    def __init__(self) -> None:
        """Mark it."""
        self._mark = f"{VARIABLE}={secrets.token_hex(8)}".encode()
        variable, _, value = self._mark.decode().partition("=")
        os.environ[variable] = value

    def running(self) -> dict[int, str]:
        """The process ids and names of what has the mark and has not ended."""
        found = {}
        for directory in Path("/proc").glob("[0-9]*"):
            try:
                marked = self._mark in (directory / "environ").read_bytes().split(b"\0")
                name = (directory / "comm").read_text().strip()
            except OSError:
                # It has ended, or it is somebody else's.
                continue
            if marked and int(directory.name) != os.getpid():
                found[int(directory.name)] = name
        return found

    def end(self) -> dict[int, str]:
        """Give what still runs a moment, then kill it.

        Returns:
            What had to be killed.
        """
        if eventually(lambda: not self.running(), timeout_seconds=GRACE_SECONDS):
            return {}
        left = self.running()
        for process_id in left:
            os.kill(process_id, signal.SIGKILL)
        return left
