"""Whom we talk to."""

from dataclasses import dataclass
from typing import Self

from isthmus.common.config import DimseOrigin, Quirk
from isthmus.common.dimse.tls import ClientTls


@dataclass(frozen=True, slots=True)
class Peer:
    """The application entity at the other end, and who we are to it."""

    origin: str
    """The origin's name, for errors and spans."""
    host: str
    port: int
    called_ae_title: str
    calling_ae_title: str
    timeout: float
    """Seconds of silence, not in total."""
    takes_cancel: bool = True
    """Whether a C-CANCEL may be sent; if not, an operation is cancelled by A-ABORT."""
    tls: ClientTls | None = None
    """TLS with it; None: in clear."""

    @classmethod
    def of(cls, origin: DimseOrigin, calling_ae_title: str) -> Self:
        """Take the peer from an origin's settings.

        Raises:
            SettingsError: a certificate of its TLS cannot be used.
        """
        tls = None
        if origin.tls is not None:
            tls = ClientTls(origin.tls, origin.host, f"origin {origin.name}: tls")
        return cls(
            origin=origin.name,
            host=origin.host,
            port=origin.port,
            called_ae_title=origin.ae_title,
            calling_ae_title=calling_ae_title,
            timeout=origin.timeout_seconds,
            takes_cancel=Quirk.NO_CANCEL not in origin.quirks,
            tls=tls,
        )
