"""Who wanted what of us, and whether they might: for the stream AUDIT. Without patient data."""

from dataclasses import dataclass
from enum import StrEnum


class Outcome(StrEnum):
    """What was decided."""

    ACCEPTED = "accepted"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """A decision."""

    time: str
    """RFC 3339, UTC."""
    service: str
    """Which of our services decided."""
    action: str
    """What was wanted: `association`, or a DIMSE service such as `C-STORE`."""
    outcome: Outcome
    reason: str
    """Why it was refused; empty where it was accepted."""
    calling_ae_title: str
    called_ae_title: str
    address: str
    """The IP address that it came from."""
