"""What the kernel tells about the processes of a running system (proc(5)); Linux only."""

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

OTHERS: Final = frozenset({"nats", "s3", "gateway"})
"""The processes of a system that are not ours."""

_TICKS: Final = os.sysconf("SC_CLK_TCK")


def cpu_seconds(services: Mapping[str, Sequence[int]]) -> dict[str, float]:
    """Tell the processor time that each service has used so far."""
    return {name: sum(map(_cpu_seconds, pids)) for name, pids in services.items()}


def _cpu_seconds(pid: int) -> float:
    # The name in parentheses may hold anything.
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    user, system = fields[11:13]
    return (int(user) + int(system)) / _TICKS


def peak_memory(pids: Iterable[int]) -> int:
    """Tell the most bytes that any of these processes had resident at any time."""
    return max(map(_peak_memory, pids))


def _peak_memory(pid: int) -> int:
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return int(found.group(1)) * 1024 if found else 0


def variable(pid: int, name: str) -> str:
    """Read a variable of a process's environment, as it was when it started.

    Raises:
        KeyError: it has none of this name.
    """
    return variables(pid, name)[name]


def variables(pid: int, prefix: str) -> dict[str, str]:
    """Read those variables of a process's environment that begin with something."""
    environment = Path(f"/proc/{pid}/environ").read_bytes().decode().split("\0")
    return dict(entry.split("=", 1) for entry in environment if "=" in entry and entry.startswith(prefix))
