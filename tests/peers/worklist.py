"""DCMTK's wlmscpfs: a modality worklist out of files."""

from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian, generate_uid

from tests.peers.dcmtk import ENVIRONMENT
from tests.peers.process import LOOPBACK, Peer, Process, accepts_connections, free_port


class Wlmscpfs:
    """A worklist of entries; a context manager. As dcmqrscp it listens on all addresses."""

    def __init__(self, directory: Path, entries: Iterable[Dataset], *, ae_title: str = "WORKLIST") -> None:
        """Start it, and wait until it takes connections.

        Args:
            directory: takes its entries and its log.
            entries: scheduled procedure steps, as a response tells them.
            ae_title: its own.
        """
        held = directory / ae_title
        held.mkdir(parents=True)
        (held / "lockfile").touch()
        for number, entry in enumerate(entries):
            _write(entry, held / f"{number}.wl")
        port = free_port()
        self.peer = Peer(ae_title, LOOPBACK, port)
        command = ["wlmscpfs", "--data-files-path", str(directory), "--keep-char-set", "-dfr", str(port)]
        self._process = Process(command, log=directory / "wlmscpfs.log", environment=ENVIRONMENT)
        self._process.wait_until(lambda: accepts_connections(port))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.stop()


def _write(entry: Dataset, file: Path) -> None:
    entry.file_meta = FileMetaDataset()
    entry.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    entry.file_meta.MediaStorageSOPClassUID = UID("1.2.276.0.7230010.3.1.0.1")  # DCMTK's, for worklist files
    entry.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    entry.save_as(file, enforce_file_format=True)
