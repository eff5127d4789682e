"""What the embedded servers have in common: free ports, private files, use as async context managers."""

import random
import socket
from abc import ABC, abstractmethod
from ipaddress import ip_address
from pathlib import Path
from types import TracebackType
from typing import Self

from isthmus.cli.process import Process, Program, StartError, port_is_free

LOOPBACK = "127.0.0.1"

# Below the ports that Linux gives to outgoing connections (ip(7), ip_local_port_range), so that none of these
# takes one of ours while a server restarts.
_PORTS = range(20000, 32000)
_BLOCK = 100
"""Ports that one process picks from: it holds the first of them, so that no other one picks the same."""


class _Block:
    """Some ports that this process has for itself, as long as others pick theirs in the same way."""

    def __init__(self) -> None:
        for first in random.sample(_PORTS[::_BLOCK], len(_PORTS) // _BLOCK):
            if first not in _held and _mark(first):
                self.ports = iter(range(first + 1, first + _BLOCK))
                return
        raise StartError("isthmus", "finds no free port")


_held: set[int] = set()
"""The first ports of the blocks that are ours."""


def _mark(first: int) -> bool:
    """Hold the first port of a block, until the process ends; whether nobody else does."""
    if first in _held:
        return True
    mark = socket.socket()
    try:
        mark.bind((LOOPBACK, first))
        mark.listen(1)
    except OSError:
        mark.close()
        return False
    mark.detach()
    _held.add(first)
    return True


_blocks: list[_Block] = []


def port_again(port: int) -> int:
    """Give a port that an earlier process had, or another one where somebody may use it meanwhile."""
    is_ours = port in _PORTS and _mark(port - port % _BLOCK) and port_is_free(LOOPBACK, port)
    return port if is_ours else _free_port()


def free_ports(count: int) -> list[int]:
    """Pick different TCP ports of the loopback interface on which nobody listens; none is picked twice."""
    return [_free_port() for _ in range(count)]


def _free_port() -> int:
    if not _blocks:
        _blocks.append(_Block())
    for port in _blocks[-1].ports:
        if port_is_free(LOOPBACK, port):
            return port
    _blocks.append(_Block())
    return _free_port()


def reachable(host: str) -> str:
    """Give the address at which one of ours is reached from this machine that listens on `host`."""
    if host == "localhost" or not ip_address(host).is_unspecified:
        return host
    return LOOPBACK if ip_address(host).version == 4 else "::1"


class Embedded(ABC):
    """A server that we bring along.

    It can be used alone (`async with EmbeddedNats(directory) as nats:`, its output goes to a file in the
    directory), or be prepared and given to the supervisor as a `Program`.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory.resolve()
        self._process: Process | None = None

    @property
    @abstractmethod
    def program(self) -> Program:
        """How it is run; the same after every restart."""

    @abstractmethod
    def prepare(self) -> None:
        """Write the files that it needs."""

    def clean(self) -> None:  # noqa: B027  (most leave nothing behind)
        """Remove what it leaves outside its directory; called when it has ended."""

    @property
    def pid(self) -> int:
        """The process id, while it is used alone."""
        if self._process is None:
            raise RuntimeError("not started")
        return self._process.pid

    async def __aenter__(self) -> Self:
        self.directory.mkdir(parents=True, exist_ok=True)
        self.prepare()
        program = self.program
        log = self.directory / f"{program.name}.log"
        self._process = await Process.start(program, log=log)
        try:
            await self._process.wait_ready()
        except BaseException as error:
            await self._stop()
            if isinstance(error, StartError):
                lines = log.read_text(errors="replace").splitlines()[-20:]
                raise StartError(program.name, f"did not start: {error}", lines) from error
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._stop()

    async def _stop(self) -> None:
        if self._process is not None:
            await self._process.stop()
            self._process = None
        self.clean()
