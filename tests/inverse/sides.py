"""The two that are compared."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from tests.data_sets import Identity, identity
from tests.inverse.programs import Programs
from tests.peers import Orthanc, Peer, Storescp
from tests.system.gateway import Gateway


@dataclass(frozen=True)
class Side:
    """One way to the archives.

    Attributes:
        archive: what holds the corpus.
        destination: where its C-MOVE sends.
        empty: what takes what is stored.
    """

    archive: Peer
    destination: Storescp
    empty: Peer


@dataclass(frozen=True)
class Sides:
    """Both ways.

    Attributes:
        direct: Orthanc's own DIMSE port.
        bridged: Isthmus.
        keeper: the archive in which both store.
        held: the files that the other archive holds.
        gateway: the running Isthmus.
        programs: run the clients.
    """

    direct: Side
    bridged: Side
    keeper: Orthanc
    held: Sequence[Path]
    gateway: Gateway
    programs: Programs

    @cached_property
    def identities(self) -> Sequence[Identity]:
        """What tells apart what the other archive holds, in order."""
        return sorted(map(identity, self.held))
