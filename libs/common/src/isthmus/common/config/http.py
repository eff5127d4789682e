"""Where HTTP is spoken: the gateway, and the server of each service."""

from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from isthmus.common.config.access import Secret, key_in
from isthmus.common.config.kinds import Listen, ListenAddress, Section, Url, WebOrigin
from isthmus.common.config.networks import Network, written_out
from isthmus.common.config.pairs import require_both_or_none, require_said_once


class Gateway(Section):
    """The one address that HTTP clients use."""

    listen: Listen = ListenAddress("127.0.0.1:8080")
    """Address and port; port 0: any free one. Beyond loopback it listens only where there are rules."""
    certificate_file: Path | None = None
    """Its certificate and its chain (PEM); with it clients speak TLS, 1.2 or 1.3."""
    key_file: Path | None = None
    """The key of the certificate, without a passphrase."""
    client_ca_file: Path | None = None
    """Certificates (PEM) that those of clients are verified by; they are asked for one, and need none."""
    url: Url | None = None
    """Where clients reach us, for the links in events; without it where the gateway listens."""
    trusted_proxies: tuple[Network, ...] = ()
    """IP addresses and networks of proxies in front, whose X-Forwarded-For is believed; nobody else's is."""
    cors_origins: tuple[WebOrigin, ...] = ()
    """Web origins (scheme, host, port) whose pages may read, store, delete; `*`: any, but for deleting."""
    secret: Secret | None = Field(default=None, repr=False)
    """By which faces know that a request came through the gateway, and believe what it says of the client."""
    secret_file: Path | None = None
    """A file that holds it, for faces that are run alone."""

    @property
    def base_url(self) -> str:
        """What the links in events begin with, without a slash at its end."""
        return self.url or f"{'https' if self.certificate_file is not None else 'http'}://{self.listen}"

    @property
    def shown_secret(self) -> str | None:
        """What it shows the faces; None where there is none.

        Raises:
            ValueError: its file cannot be read, or holds none; quotes nothing of it.
        """
        return self.secret if self.secret_file is None else key_in(self.secret_file)

    @model_validator(mode="after")
    def _says_its_secret_once(self) -> Self:
        require_said_once(self, "secret")
        return self

    @model_validator(mode="after")
    def _trusts_proxies_alone(self) -> Self:
        everybody = [network for network in self.trusted_proxies if written_out(network).endswith("/0")]
        if everybody:
            raise ValueError(
                f"trusted_proxies: {everybody[0]} is everybody, who could say that he comes from anywhere"
            )
        return self

    @model_validator(mode="after")
    def _has_a_certificate(self) -> Self:
        require_both_or_none(self, "certificate_file", "key_file")
        if self.client_ca_file is not None and self.certificate_file is None:
            raise ValueError("client_ca_file: without certificate_file and key_file there is no TLS")
        return self


class Http(Section):
    """The HTTP server that each service has: its resources, `/healthz`, `/readyz`, `/metrics`."""

    listen: Listen = ListenAddress("127.0.0.1:0")
    """Address and port; `isthmus up` gives each service its own. Beyond loopback where there are rules."""
