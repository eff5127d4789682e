"""Which process is connected with whom, from proc(5)."""

import os
import re
from contextlib import suppress
from pathlib import Path
from typing import Final

_ESTABLISHED: Final = "01"
_SOCKET: Final = re.compile(r"socket:\[(\d+)\]")


def connections(pid: int, port: int) -> int:
    """Count a process's TCP connections to this port."""
    own = _sockets(pid)
    rows = [line.split() for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]]
    return sum(
        row[3] == _ESTABLISHED and int(row[2].rpartition(":")[2], 16) == port and row[9] in own
        for row in rows
    )


def _sockets(pid: int) -> set[str]:
    """The inodes of its sockets."""
    found = set()
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed since
            match = _SOCKET.fullmatch(os.readlink(descriptor))
            if match:
                found.add(match.group(1))
    return found
