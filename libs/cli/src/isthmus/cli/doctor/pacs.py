"""A PACS that is examined, and who we are to it."""

from dataclasses import dataclass, replace
from typing import Self

from isthmus.cli.doctor.network import ours
from isthmus.cli.doctor.surroundings import Patience, Surroundings
from isthmus.cli.doctor.words import Us
from isthmus.common.config import DimseOrigin
from isthmus.common.dimse import Peer


@dataclass(frozen=True, slots=True)
class Pacs:
    """A DIMSE origin."""

    origin: DimseOrigin
    place: str
    """The beginning of its settings' keys: `origins[0]`."""
    peer: Peer
    us: Us
    patience: Patience

    @classmethod
    def of(cls, origin: DimseOrigin, around: Surroundings) -> Self:
        """Take it from the settings.

        Raises:
            SettingsError: a file of its TLS cannot be used.
        """
        ae_title = around.settings.scp.ae_title
        _, port, tls = around.scp_port
        peer = Peer.of(origin, ae_title)
        return cls(
            origin,
            around.place(origin.name),
            replace(peer, timeout=min(peer.timeout, around.patience.answer)),
            Us(ae_title, ours(origin.host, origin.port), port, tls),
            around.patience,
        )

    @property
    def address(self) -> str:
        """Where it is, for sentences."""
        return f"{self.peer.host}:{self.peer.port}"
