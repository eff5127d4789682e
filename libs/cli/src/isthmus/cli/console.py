"""What `isthmus up` shows: one coloured line of log for each event, on standard error."""

import os
import sys
import time
import zlib
from collections.abc import Mapping
from contextlib import suppress
from typing import TextIO

import orjson

_NAME_COLOURS = (36, 32, 33, 34, 35, 96, 92, 94, 95)
_LEVEL_COLOURS = {"warning": 33, "error": 31, "critical": 31}
_DIM = 2
_KNOWN = frozenset({"event", "level", "logger", "service", "timestamp"})


class Console:
    """Writes the lines of all children, each prefixed with the time and the name of who wrote it."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._coloured = stream.isatty() and "NO_COLOR" not in os.environ

    @classmethod
    def on_stderr(cls) -> "Console":
        """Give the one that writes to standard error."""
        return cls(sys.stderr)

    def line(self, label: str, text: str) -> None:
        """Write a line: the event of a JSON log line with what belongs to it, or the text as it is.

        Who read it may be gone, or the disk full: what runs goes on, and can be stopped.
        """
        name = self._colour(f"{label:<11}", _NAME_COLOURS[zlib.crc32(label.encode()) % len(_NAME_COLOURS)])
        now = self._colour(time.strftime("%H:%M:%S"), _DIM)
        with suppress(OSError):
            self._stream.write(f"{now} {name} {self._readable(text)}\n")
            self._stream.flush()

    def _readable(self, text: str) -> str:
        event = log_event(text)
        if event is None:
            return text
        level = str(event.get("level", "info"))
        said = " ".join(str(event["event"]).split())
        if level in _LEVEL_COLOURS:
            said = self._colour(f"{level}: {said}", _LEVEL_COLOURS[level])
        rest = " ".join(f"{key}={value}" for key, value in event.items() if key not in _KNOWN)
        return f"{said} {self._colour(rest, _DIM)}" if rest else said

    def _colour(self, text: str, code: int) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self._coloured else text


def log_event(text: str) -> Mapping[str, object] | None:
    """Read a log line of a service; None for what is none."""
    if not text.startswith("{"):
        return None
    try:
        event = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    return event if isinstance(event, dict) and "event" in event else None
