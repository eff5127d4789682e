"""TLS over DIMSE in the settings: towards a peer, and of the port that listens (PS3.15 B.12)."""

from pathlib import Path
from typing import Self

from pydantic import model_validator

from isthmus.common.config.kinds import Host, Listen, Section
from isthmus.common.config.pairs import require_both_or_none


class PeerTls(Section):
    """TLS with whom we call; an empty table is TLS too. Its certificate is verified, always."""

    ca_file: Path | None = None
    """Certificates (PEM) that its own is verified by; else those of `SSL_CERT_FILE`, or the usual ones."""
    certificate_file: Path | None = None
    """Our certificate and its chain (PEM), where it wants to know us, with `key_file`."""
    key_file: Path | None = None
    """Its private key (PEM), without a passphrase. All files are read anew when they change."""
    server_name: Host | None = None
    """The name or IP address that its certificate must be for; without it `host`."""

    @model_validator(mode="after")
    def _has_a_pair(self) -> Self:
        require_both_or_none(self, "certificate_file", "key_file")
        return self


class ListenerTls(Section):
    """The port of the DIMSE face where TLS is spoken, and nothing else."""

    listen: Listen
    """Address and port; port 0: any free one."""
    certificate_file: Path
    """Our certificate and its chain (PEM)."""
    key_file: Path
    """Its private key (PEM), without a passphrase. All files are read anew when they change."""
    client_ca_file: Path | None = None
    """Certificates (PEM) that those of clients are verified by; without it clients are asked for none."""
    require_client_certificate: bool = True
    """With `client_ca_file`: whether who shows no certificate is refused; one that is shown must hold."""

    @model_validator(mode="after")
    def _can_require(self) -> Self:
        said = "require_client_certificate" in self.model_fields_set
        if said and self.require_client_certificate and self.client_ca_file is None:
            raise ValueError("require_client_certificate needs client_ca_file, by which they are verified")
        return self
