"""How much memory processes of this machine take, as Linux tells it."""

from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

_PROC: Final = Path("/proc")
_SESSION: Final = 3
"""The place of the session among the fields of `/proc/PID/stat` that follow the name (proc(5))."""


def memory_of(pids: Collection[int]) -> Mapping[int, int]:
    """Give the bytes that processes take, each with all that it started: each leads a session of its own.

    What several share counts in parts (proportional set size). A process that cannot be seen is left out.
    """
    found: dict[int, int] = {}
    for directory, session in _sessions():
        if session in pids:
            with suppress(OSError, ValueError):  # it has ended meanwhile, or is another user's
                found[session] = found.get(session, 0) + _proportional(directory)
    return found


def _sessions() -> Iterator[tuple[Path, int]]:
    if not _PROC.is_dir():
        return
    for directory in _PROC.iterdir():
        if directory.name.isdigit():
            with suppress(OSError, ValueError):
                _, _, fields = (directory / "stat").read_text().rpartition(")")
                yield directory, int(fields.split()[_SESSION])


def _proportional(directory: Path) -> int:
    for line in (directory / "smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    raise ValueError("the kernel does not tell")
