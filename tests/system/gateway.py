"""The whole system as a user starts it: `isthmus up` as a process, its output, and what run.json tells."""

import json
import os
import queue
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from threading import Thread
from types import TracebackType
from typing import IO, Any, ClassVar, Final, Self

from isthmus.cli.run_file import RunFile
from isthmus.common.errors import BlobRefused
from tests.peers import Peer, free_ports
from tests.planted import plant
from tests.system.commands import command
from tests.waiting import PATIENCE

ISTHMUS: Final = Path(sys.executable).with_name("isthmus")

READY_WITHIN: Final = 240.0
STOPS_WITHIN: Final = 30.0


def environment() -> Mapping[str, str]:
    """Give our environment without settings."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("ISTHMUS_", "OTEL_"))}


def refusals(log: str) -> list[str]:
    """Give the lines by which NATS or S3 has refused our own services something: they may do what they do."""
    signs = (" Violation - ", "nats does not let us", "AccessDenied", BlobRefused.title)
    return [line for line in log.splitlines() if any(sign in line for sign in signs)]


class Gateway:
    """A whole system on free ports of loopback; a context manager that is entered when it is ready.

    Attributes:
        url: the gateway's.
        data: its data folder.
        log: the file that has all that it wrote to standard error.
        stdout: the lines on standard output.
        stderr: the lines on standard error, as far as `wait_for` and `stop` took note of them.
    """

    COMMAND: ClassVar[Sequence[str]] = (str(ISTHMUS),)
    """How `isthmus` is called to run the system."""

    def __init__(
        self,
        directory: Path,
        origins: str = "",
        scp: Peer | None = None,
        *,
        variables: Mapping[str, str] | None = None,
    ) -> None:
        """Write its settings.

        Args:
            directory: takes its settings, data and log.
            origins: the settings after `[gateway]` and `[scp]`; without any there is the demo.
            scp: the DIMSE face; on a free port if none is given.
            variables: what its environment has beside ours.
        """
        port, scp_port = free_ports(2)
        self.scp: Final = scp or Peer("ISTHMUS", "127.0.0.1", scp_port)
        self.url: Final = f"http://127.0.0.1:{port}"
        self.config, self.data, self.log = (directory / name for name in ("isthmus.toml", "data", "up.log"))
        self.config.write_text(
            f'[gateway]\nlisten = "127.0.0.1:{port}"\n[scp]\nae_title = "{self.scp.ae_title}"\n'
            f'listen = "{self.scp.host}:{self.scp.port}"\n{origins}'
        )
        self._environment = {**environment(), **(variables or {})}
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
        """What run.json says now."""
        return RunFile.read(self.data)

    @property
    def pids(self) -> Mapping[str, list[int]]:
        """The process ids of the services."""
        return self.run_file.services

    def __enter__(self) -> Self:
        up = [*self.COMMAND, "up", "--config", str(self.config), "--data", str(self.data)]
        self._process = subprocess.Popen(
            up, env=self._environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        for work in (
            Thread(target=self._read, args=(self._process.stdout, self.stdout)),
            Thread(target=self._read_log, args=(self._process.stderr,)),
        ):
            work.start()
            self._readers.append(work)
        try:
            self.wait_for(lambda: bool(self.stdout), READY_WITHIN)
            self._watch_for_its_secrets()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        if kind is None:
            assert not (refused := refusals(self.log.read_text())), refused

    def wait_for(self, condition: Callable[[], bool], timeout: float = PATIENCE) -> None:
        """Wait until something is true after one of the lines that are written."""
        while not condition():
            try:
                kept, line = self._lines.get(timeout=timeout)
            except queue.Empty:
                raise TimeoutError("\n".join(self.stderr)) from None
            if line is None:
                raise AssertionError("isthmus up has ended:\n" + "\n".join(self.stderr))
            kept.append(line)

    def isthmus(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command against it, to its end."""
        return command([*arguments, "--data", str(self.data)])

    def json_of(self, *arguments: str) -> Any:  # noqa: ANN401  (as json.loads)
        """Run a command that succeeds, and give what it prints for scripts."""
        result = self.isthmus(*arguments, "--json")
        assert result.returncode == 0, result.stderr
        return json.loads(result.stdout)

    def stop(self, number: signal.Signals = signal.SIGINT) -> int:
        """Stop it as Ctrl-C does, and give its exit code; when it takes too long, kill it and fail."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            code = self.process.wait(STOPS_WITHIN)
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

    def _watch_for_its_secrets(self) -> None:
        """Let nothing of what run.json keeps for itself be in logs, traces and errors."""
        run = self.run_file
        servers = (run.nats.password, run.s3.access_key, run.s3.secret_key)
        for one in (*servers, run.key, run.link_key, run.signing_key):
            plant(one)

    def _read(self, stream: IO[str], kept: list[str]) -> None:
        with stream:
            for line in stream:
                self._lines.put((kept, line.rstrip("\n")))

    def _read_log(self, stream: IO[str]) -> None:
        with stream, self.log.open("w", buffering=1) as log:
            for line in stream:
                log.write(line)
                self._lines.put((self.stderr, line.rstrip("\n")))
        self._lines.put((self.stderr, None))
