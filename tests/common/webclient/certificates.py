"""Certificates of our own making: an authority, and what it signs."""

import ssl
import subprocess
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")


@dataclass(frozen=True)
class Identity:
    """A certificate and its key, as PEM files."""

    certificate: Path
    key: Path


class Authority:
    """One that signs for an hour or so."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._own = self._files("authority")
        options = ("-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign")
        _openssl(
            "req", "-x509", *_KEY, *self._out(self._own), "-subj", "/CN=authority", "-days", "1", *options
        )

    @property
    def certificate(self) -> Path:
        """What others trust it by."""
        return self._own.certificate

    def signs(self, name: str) -> Identity:
        """Make an identity for 127.0.0.1, by this common name."""
        made = self._files(name)
        _openssl(
            *("req", "-x509", *_KEY, *self._out(made), "-subj", f"/CN={name}", "-days", "1"),
            *("-CA", str(self._own.certificate), "-CAkey", str(self._own.key)),
            *("-addext", "subjectAltName=IP:127.0.0.1", "-addext", "basicConstraints=critical,CA:FALSE"),
        )
        return made

    def server(self, *, asks: bool = False, alpn: str = "http/1.1") -> ssl.SSLContext:
        """Give what a server on 127.0.0.1 has; `asks`: it wants to know its clients."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self._server.certificate, self._server.key)
        context.set_alpn_protocols([alpn])
        if asks:
            context.verify_mode = ssl.CERT_OPTIONAL
            context.load_verify_locations(self._own.certificate)
        return context

    @cached_property
    def _server(self) -> Identity:
        return self.signs("server")

    def _files(self, name: str) -> Identity:
        return Identity(self._directory / f"{name}.pem", self._directory / f"{name}.key")

    @staticmethod
    def _out(identity: Identity) -> tuple[str, ...]:
        return ("-keyout", str(identity.key), "-out", str(identity.certificate))


def _openssl(*arguments: str) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True, timeout=30)
