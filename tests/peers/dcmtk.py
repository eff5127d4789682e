"""DCMTK's servers: dcmqrscp as a PACS, and storescp as a receiver that keeps every bit.

DCMTK has no setting for the address to listen on; both listen on all of them.
"""

import shutil
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from tests.data_sets import Listing, identity, listing, raw_dataset
from tests.peers.process import LOOPBACK, Peer, Process, accepts_connections, free_port

# Without it each exchange waits 40 ms for a delayed acknowledgement.
ENVIRONMENT: Final = {"TCP_NODELAY": "1"}
MAX_PDU: Final = 131072


class _Server:
    """What both servers share: a port, a process, an end."""

    def __init__(self, ae_title: str, command: list[str], *, port: int, log: Path) -> None:
        self.peer = Peer(ae_title, LOOPBACK, port)
        self._process = Process(command, log=log, environment=ENVIRONMENT)
        self._process.wait_until(lambda: accepts_connections(port))

    def stop(self) -> None:
        """End it, and wait until it has ended."""
        self._process.stop()

    def kill(self) -> None:
        """End it at once, as a crash would."""
        self._process.kill()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


class Dcmqrscp(_Server):
    """DCMTK's Query/Retrieve server over a storage of its own; a context manager.

    As Debian ships it, it takes no compressed transfer syntax over the network and sends none;
    of instances whose over-long UIDs begin alike it keeps one.
    """

    def __init__(
        self, directory: Path, *, ae_title: str = "DCMQRSCP", destinations: Iterable[Peer] = ()
    ) -> None:
        """Start it, and wait until it takes connections.

        Args:
            directory: takes its settings, its storage and its log.
            ae_title: its own.
            destinations: where C-MOVE may send; it reads them only once.
        """
        self._storage = directory / "storage"
        self._storage.mkdir(parents=True)
        self._loaded = 0
        port = free_port()
        settings = directory / "dcmqrscp.cfg"
        settings.write_text(self._settings(ae_title, port, destinations))
        command = ["dcmqrscp", "--config", str(settings), "--disable-host-lookup", "--log-level", "warn"]
        super().__init__(ae_title, command, port=port, log=directory / "dcmqrscp.log")

    def _settings(self, ae_title: str, port: int, destinations: Iterable[Peer]) -> str:
        # No addresses are allowed here, only names.
        hosts = [
            f"{peer.ae_title.lower()} = ({peer.ae_title}, localhost, {peer.port})" for peer in destinations
        ]
        return "\n".join(
            [
                f"NetworkTCPPort = {port}",
                f"MaxPDUSize = {MAX_PDU}",
                "MaxAssociations = 64",
                "HostTable BEGIN",
                *hosts,
                "HostTable END",
                "VendorTable BEGIN",
                "VendorTable END",
                "AETable BEGIN",
                f"{ae_title} {self._storage} RW (500, 1024mb) ANY",
                "AETable END",
                "",
            ]
        )

    def load(self, files: Iterable[Path]) -> list[Path]:
        """Copy files into its storage and register them, in this order.

        Returns:
            Those that it now holds, in the same order.
        """
        copies = {}
        for file in files:
            self._loaded += 1
            copy = self._storage / f"{self._loaded:06}.dcm"
            shutil.copyfile(file, copy)
            copies[copy] = file
        # Each file is said to be registered, whatever happens; what is in the index shows it.
        _run("dcmqridx", str(self._storage), *map(str, copies))
        held = set(self.files())
        return [file for copy, file in copies.items() if copy in held]

    def files(self) -> list[Path]:
        """The files in its storage that its index knows."""
        listed = _run("dcmqridx", "--print", str(self._storage))
        names = [line for line in listed.splitlines() if line.startswith(b"  Filename: ")]
        return [Path(name.decode().partition(": ")[2]) for name in names]

    def listing(self) -> Listing:
        """What it holds, by study and series, with the UIDs that the files have."""
        return listing(identity(file) for file in self.files())


def _run(*command: str) -> bytes:
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=True).stdout


class Storescp(_Server):
    """A receiver that takes every SOP class and every standard transfer syntax, and keeps every byte."""

    def __init__(
        self,
        directory: Path,
        *,
        ae_title: str = "STORESCP",
        port: int | None = None,
        forks: bool = True,
        tls: Sequence[str] = (),
    ) -> None:
        """Start it, and wait until it takes connections.

        Args:
            directory: takes what it receives, and its log.
            ae_title: its own.
            port: where it listens; None: on a free one.
            forks: whether it serves several associations at one time; else, as it does unless told to, one
                after the other, and who asks for another one waits.
            tls: its options for that.
        """
        self._received = directory / "received"
        self._received.mkdir(parents=True)
        port = port or free_port()
        command = [
            "storescp",
            *(("--fork",) if forks else ()),
            *("--promiscuous", "--accept-all", "--bit-preserving", "--unique-filenames"),
            *("--output-directory", str(self._received), "--max-pdu", str(MAX_PDU)),
            *("--aetitle", ae_title, "--disable-host-lookup", "--log-level", "warn", *tls, str(port)),
        ]
        super().__init__(ae_title, command, port=port, log=directory / "storescp.log")

    def files(self) -> list[Path]:
        """The files it wrote; until the sender has its last response, one may be half written."""
        return sorted(self._received.iterdir())

    def datasets(self) -> dict[str, list[bytes]]:
        """The data sets as they came, by the SOP Instance UID in each; the command's may be a cut one."""
        datasets: dict[str, list[bytes]] = {}
        for file in self.files():
            datasets.setdefault(identity(file).sop_instance_uid, []).append(raw_dataset(file))
        return datasets

    def clear(self) -> None:
        """Forget what came."""
        for file in self.files():
            file.unlink()
