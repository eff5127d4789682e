"""What is examined, and for how long anything is waited for."""

from dataclasses import dataclass
from pathlib import Path

from isthmus.cli.run_file import RunFile
from isthmus.common.config import ListenAddress, Settings


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds to wait."""

    connect: float = 5.0
    """For a name, a connection, a handshake, or a word from who listens."""
    answer: float = 30.0
    """For an answer, where the settings do not say less."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What is known before anything is tried."""

    settings: Settings
    data: Path
    running: RunFile | None = None
    """Where the parts of a running system are; None: nothing runs with the data folder."""
    patience: Patience = Patience()

    def place(self, origin: str) -> str:
        """Give the beginning of an origin's keys, as error messages write them: `origins[0]`."""
        names = [one.name for one in self.settings.origins]
        return f"origins[{names.index(origin)}]"

    @property
    def scp_port(self) -> tuple[str, int, bool]:
        """Give where PACS reach our scp: the host as it listens, the port, and whether there is TLS."""
        scp = self.settings.scp
        if self.running is not None and self.running.scp.port:  # in containers it is not told
            there = self.running.scp
            return there.host, there.port, not scp.listen
        listen = ListenAddress(scp.listen or (scp.tls.listen if scp.tls is not None else ""))
        return listen.host, listen.port, not scp.listen
