"""A PACS whose content changes, and what it holds."""

from pathlib import Path

from tests.data_sets import identity
from tests.pacs import FaultyPacs


class Changing:
    """A PACS whose content changes."""

    def __init__(self, files: list[Path]) -> None:
        self.now = FaultyPacs(files)
        self.port = self.now.peer.port

    def holds(self, files: list[Path]) -> FaultyPacs:
        self.now.stop()
        self.now = FaultyPacs(files, port=self.port)
        return self.now


def names(files: list[Path]) -> set[str]:
    """The SOP Instance UIDs of files."""
    return {identity(file).sop_instance_uid for file in files}
