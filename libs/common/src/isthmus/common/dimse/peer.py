"""Whom we talk to."""

from dataclasses import dataclass
from typing import Self

from isthmus.common.config import DimseOrigin, Quirk


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

    @classmethod
    def of(cls, origin: DimseOrigin, calling_ae_title: str) -> Self:
        """Take the peer from an origin's settings."""
        return cls(
            origin=origin.name,
            host=origin.host,
            port=origin.port,
            called_ae_title=origin.ae_title,
            calling_ae_title=calling_ae_title,
            timeout=origin.timeout_seconds,
            takes_cancel=Quirk.NO_CANCEL not in origin.quirks,
        )
