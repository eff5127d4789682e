"""The whole system as a user starts it: `isthmus up` as a process, and what its run.json tells."""

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Final, Self

READY_SECONDS: Final = 60.0
STOP_SECONDS: Final = 15.0


class Gateway:
    """A running `isthmus up`; a context manager."""

    def __init__(self, directory: Path, settings: str, environment: Mapping[str, str]) -> None:
        """Start it, and wait for its ready line.

        Args:
            directory: takes its settings, data and log.
            settings: the content of isthmus.toml.
            environment: of the process.
        """
        directory.mkdir(parents=True, exist_ok=True)
        config, self.data, self.log = (directory / name for name in ("isthmus.toml", "data", "up.log"))
        config.write_text(settings)
        with self.log.open("wb") as log:
            self._popen = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "isthmus.cli.main",
                    "up",
                    "--config",
                    str(config),
                    "--data",
                    str(self.data),
                ],
                stdout=subprocess.PIPE,
                stderr=log,
                env=dict(environment),
                text=True,
            )
        try:
            self.ready_line = self._first_line()
        except BaseException:
            self.stop()
            raise

    def _first_line(self) -> str:
        assert self._popen.stdout is not None
        lines: list[str] = []

        def read(stream: IO[str]) -> None:
            lines.append(stream.readline())

        reader = threading.Thread(target=read, args=[self._popen.stdout], daemon=True)
        reader.start()
        reader.join(READY_SECONDS)
        if not lines or not lines[0].startswith("isthmus is ready: "):
            raise AssertionError(f"it did not get ready:\n{self.log.read_text()[-4000:]}")
        return lines[0].rstrip("\n")

    @property
    def run(self) -> Mapping[str, Any]:
        """What run.json says now."""
        content: Mapping[str, Any] = json.loads((self.data / "run.json").read_text())
        return content

    @property
    def url(self) -> str:
        """The gateway's URL."""
        return str(self.run["gateway"])

    def stop(self) -> None:
        """Interrupt it, as Ctrl-C does, and wait until it has ended."""
        if self._popen.poll() is None:
            self._popen.send_signal(signal.SIGINT)
        try:
            self._popen.wait(STOP_SECONDS)
        finally:
            self._popen.kill()
            self._popen.wait()
            if self._popen.stdout is not None:
                self._popen.stdout.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
