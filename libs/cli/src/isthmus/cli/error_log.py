"""`DATA/errors.jsonl`: the last errors of the services, and how programs ended, for `isthmus status`.

It holds what `isthmus up` shows of them, and that holds no patient data; no texts of NATS, S3 and the
gateway, which may quote requests.
"""

import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import orjson

from isthmus.cli.console import log_event
from isthmus.cli.private_file import write_private

KEPT: Final = 100
"""Errors that there are at least, if there were as many; the file has no more than twice as many."""
_LEVELS: Final = frozenset({"error", "critical"})
_BESIDE: Final = ("detail", "error", "reason", "origin", "trace_id")
"""What of a log line is told beside its event."""
_LONGEST: Final = 400
"""Characters of an error; its log line has the rest."""


@dataclass(frozen=True, slots=True)
class LoggedError:
    """Something that went wrong."""

    time: float
    """Seconds since 1970."""
    label: str
    """Who said so, or what ended: the name of a program and its replica."""
    text: str


class ErrorLog:
    """Keeps the last errors in the data folder, those of the run before too."""

    def __init__(self, data: Path) -> None:
        self._path = _path(data)
        self._last = deque(last_errors(data, KEPT) or (), maxlen=KEPT)
        self._lines = 2 * KEPT
        self._write_last()  # it is there before the first error: that there was none can be told

    def line(self, label: str, text: str) -> None:
        """Keep a line that a program wrote, if it is the log line of an error."""
        event = log_event(text)
        if event is not None and event.get("level") in _LEVELS:
            beside = " ".join(f"{key}={event[key]}" for key in _BESIDE if event.get(key) is not None)
            self.add(label, f"{event['event']} {beside}".rstrip())

    def add(self, label: str, text: str) -> None:
        """Keep an error. A full disk keeps none, and what runs goes on."""
        said = " ".join(text.split())
        error = LoggedError(time.time(), label, said if len(said) <= _LONGEST else f"{said[:_LONGEST]}...")
        self._last.append(error)
        if self._lines >= 2 * KEPT:
            self._write_last()
            return
        with suppress(OSError):
            with self._path.open("a") as file:
                file.write(_written(error))
            self._lines += 1

    def _write_last(self) -> None:
        with suppress(OSError):
            write_private(self._path, "".join(map(_written, self._last)))
            self._lines = len(self._last)


def last_errors(data: Path, most: int) -> Sequence[LoggedError] | None:
    """Give the last errors, the newest last; None where nobody keeps them: there is no such file."""
    try:
        lines = _path(data).read_bytes().splitlines()[-most:]
    except OSError:
        return None
    return [error for line in lines if (error := _read(line)) is not None]


def _path(data: Path) -> Path:
    return data / "errors.jsonl"


def _written(error: LoggedError) -> str:
    return orjson.dumps(asdict(error), option=orjson.OPT_APPEND_NEWLINE).decode()


def _read(line: bytes) -> LoggedError | None:
    """Read a line; None for one that was not written to its end."""
    try:
        return LoggedError(**orjson.loads(line))
    except (orjson.JSONDecodeError, TypeError):
        return None
