"""`isthmus up` as a user runs it: a process with its output."""

import os
import queue
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from threading import Thread
from types import TracebackType
from typing import IO, Self

from isthmus.cli.embedded.base import free_ports
from isthmus.cli.run_file import RunFile

ISTHMUS = Path(sys.executable).with_name("isthmus")

_READY_WITHIN = 90.0
_STOPS_WITHIN = 10.0


def environment() -> Mapping[str, str]:
    """Give our environment without settings."""
    return {name: value for name, value in os.environ.items() if not name.startswith("ISTHMUS_")}


class RunningIsthmus:
    """A whole system on free ports of loopback.

    Args:
        directory: For its settings and its data.
        settings: TOML after `[gateway]` and `[scp]`, which are here; without origins there is the demo.
    """

    def __init__(self, directory: Path, settings: str = "") -> None:
        gateway, scp = free_ports(2)
        self.data = directory / "data"
        self.url = f"http://127.0.0.1:{gateway}"
        self.scp_port = scp
        self.config = directory / "isthmus.toml"
        self.config.write_text(
            f'[gateway]\nlisten = "127.0.0.1:{gateway}"\n[scp]\nlisten = "127.0.0.1:{scp}"\n{settings}'
        )
        self.stdout: list[str] = []
        self.stderr: list[str] = []
        self._lines: queue.Queue[tuple[list[str], str | None]] = queue.Queue()
        self._process: subprocess.Popen[str] | None = None
        self._readers: list[Thread] = []

    @property
    def process(self) -> subprocess.Popen[str]:
        assert self._process is not None
        return self._process

    @property
    def run_file(self) -> RunFile:
        return RunFile.read(self.data)

    @property
    def pids(self) -> Mapping[str, list[int]]:
        return self.run_file.services

    def __enter__(self) -> Self:
        command = [str(ISTHMUS), "up", "--config", str(self.config), "--data", str(self.data)]
        self._process = subprocess.Popen(
            command, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        for stream, kept in ((self._process.stdout, self.stdout), (self._process.stderr, self.stderr)):
            reader = Thread(target=self._read, args=(stream, kept))
            reader.start()
            self._readers.append(reader)
        try:
            self.wait_for(lambda: bool(self.stdout), _READY_WITHIN)
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def wait_for(self, condition: Callable[[], bool], timeout: float = 30.0) -> None:
        """Wait until something is true after one of the lines that are written."""
        while not condition():
            try:
                kept, line = self._lines.get(timeout=timeout)
            except queue.Empty:
                raise TimeoutError("\n".join(self.stderr)) from None
            if line is None:
                raise AssertionError("isthmus up has ended:\n" + "\n".join(self.stderr))
            kept.append(line)

    def stop(self, number: signal.Signals = signal.SIGINT) -> int:
        """Stop it as Ctrl-C does, and give its exit code; when it takes too long, kill it and fail."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            code = self.process.wait(_STOPS_WITHIN)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise
        finally:
            for reader in self._readers:
                reader.join()
        while not self._lines.empty():
            kept, line = self._lines.get()
            if line is not None:
                kept.append(line)
        return code

    def _read(self, stream: IO[str], kept: list[str]) -> None:
        with stream:
            for line in stream:
                self._lines.put((kept, line.rstrip("\n")))
        if kept is self.stderr:
            self._lines.put((kept, None))
