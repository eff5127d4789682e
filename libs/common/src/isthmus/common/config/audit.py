"""What is kept of who did what, and where it is told."""

from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, model_validator

from isthmus.common.config.kinds import Host, NonEmpty, Port, Seconds, Section
from isthmus.common.config.pairs import require_both_or_none
from isthmus.common.config.tls import PeerTls


class Syslog(Section):
    """A server that is told of each record, as XML (PS3.15 A.5) over syslog (RFC 5424)."""

    host: Host
    """Its name or IP address."""
    port: Port = 6514
    """Its TCP port: 6514 is for TLS (RFC 5425), often 601 without."""
    tls: bool = True
    """Whether TLS is spoken (RFC 5425); without it whoever is on the way reads patients' identifiers."""
    ca_file: Path | None = None
    """Certificates (PEM) by which the server's is verified, where the usual ones do not do."""
    certificate_file: Path | None = None
    """Our certificate and its chain (PEM), where it wants to know us, with `key_file`."""
    key_file: Path | None = None
    """Its private key (PEM), without a passphrase."""
    timeout_seconds: Seconds = 10.0
    """To connect, and for the server to take what is sent."""

    @model_validator(mode="after")
    def _has_a_pair(self) -> Self:
        require_both_or_none(self, "certificate_file", "key_file")
        if not self.tls and (self.ca_file or self.certificate_file):
            raise ValueError("ca_file and certificate_file are for TLS, and tls is false")
        return self

    @property
    def peer_tls(self) -> PeerTls | None:
        """How TLS is spoken with it; None where it is not."""
        if not self.tls:
            return None
        return PeerTls(ca_file=self.ca_file, certificate_file=self.certificate_file, key_file=self.key_file)


class Audit(Section):
    """The record of who did what with which study."""

    keep_days: Annotated[float, Field(gt=0, le=36_500)] = 30.0
    """For how long records are kept here (`isthmus audit`); a law may want years, then on a syslog server."""
    source: NonEmpty = "isthmus"
    """What this installation calls itself in the messages (AuditSourceID, PS3.15 A.5.2)."""
    syslog: Syslog | None = None
    """Where they are told too; what the server does not take is sent when it is back."""
