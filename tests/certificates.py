"""Certificates of our own making, by authorities of our own: good ones, and all kinds of bad."""

import base64
import datetime
import ipaddress
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

LOOPBACK: Final = "127.0.0.1"
_HOUR: Final = datetime.timedelta(hours=1)
_OIDS: Final = {"CN": NameOID.COMMON_NAME, "O": NameOID.ORGANIZATION_NAME, "C": NameOID.COUNTRY_NAME}
Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


@cache
def rsa_key(whose: str = "everybody", bits: int = 2048) -> rsa.RSAPrivateKey:
    """One of the keys of this run, which many certificates share: to make one takes 100 ms."""
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


def ec_key() -> ec.EllipticCurvePrivateKey:
    """A new one."""
    return ec.generate_private_key(ec.SECP256R1())


@dataclass(frozen=True)
class Identity:
    """A certificate and its key, as PEM files."""

    certificate: Path
    key: Path


class Authority:
    """One that signs certificates; they hold for an hour."""

    def __init__(self, directory: Path, name: str = "authority", key: Key | None = None) -> None:
        self._directory = directory
        directory.mkdir(parents=True, exist_ok=True)
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self._key = key or rsa_key(name)
        constraints = x509.BasicConstraints(ca=True, path_length=None)
        builder = self._builder(self._name, self._key, -_HOUR, _HOUR)
        usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
        made = builder.add_extension(constraints, critical=True).add_extension(usage, critical=True)
        self.certificate = directory / f"{name}.pem"
        """What others trust it by."""
        self.certificate.write_bytes(_pem(made.sign(self._key, hashes.SHA256())))

    def signs(
        self,
        name: str,
        *,
        subject: Mapping[str, str] = MappingProxyType({}),
        hosts: Sequence[str] = (LOOPBACK,),
        key: Key | None = None,
        since: datetime.timedelta = -_HOUR,
        until: datetime.timedelta = _HOUR,
        extensions: Sequence[x509.ExtensionType] = (),
    ) -> Identity:
        """Make an identity.

        Args:
            name: its common name, and that of its files.
            subject: what its subject has before that: `{"O": "Hospital"}`.
            hosts: names and IP addresses in it; none: it has no alternative names.
            key: its key; by default one that others have too.
            since: from when on it holds, from now.
            until: how long it holds, from now.
            extensions: what else is in it.
        """
        key = key or rsa_key()
        named = x509.Name(
            [x509.NameAttribute(_OIDS[one], value) for one, value in {**subject, "CN": name}.items()]
        )
        builder = self._builder(named, key, since, until)
        if hosts:
            builder = builder.add_extension(
                x509.SubjectAlternativeName(list(map(_host, hosts))), critical=False
            )
        for one in extensions:
            builder = builder.add_extension(one, critical=False)
        constraints = x509.BasicConstraints(ca=False, path_length=None)
        made = builder.add_extension(constraints, critical=True).sign(self._key, hashes.SHA256())
        identity = Identity(self._directory / f"{name}.pem", self._directory / f"{name}.key")
        identity.certificate.write_bytes(_pem(made))
        identity.key.write_bytes(pem_of(key))
        return identity

    def server(self, *, asks: bool = False, alpn: str = "http/1.1") -> ssl.SSLContext:
        """Give what a server on 127.0.0.1 has; `asks`: it wants to know its clients."""
        own = self.signs("server")
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(own.certificate, own.key)
        context.set_alpn_protocols([alpn])
        if asks:
            context.verify_mode = ssl.CERT_OPTIONAL
            context.load_verify_locations(self.certificate)
        return context

    def _builder(
        self, name: x509.Name, key: Key, since: datetime.timedelta, until: datetime.timedelta
    ) -> x509.CertificateBuilder:
        now = datetime.datetime.now(datetime.UTC)
        return x509.CertificateBuilder(
            issuer_name=self._name,
            subject_name=name,
            public_key=key.public_key(),
            serial_number=x509.random_serial_number(),
            not_valid_before=now + since,
            not_valid_after=now + until,
        )


@cache
def shown(subject: str) -> str:
    """Give how the gateway shows faces a certificate of this subject (RFC 4514): base64 of its DER."""
    name = x509.Name.from_rfc4514_string(subject)
    now = datetime.datetime.now(datetime.UTC)
    key = rsa_key()
    made = x509.CertificateBuilder(
        issuer_name=name,
        subject_name=name,
        public_key=key.public_key(),
        serial_number=x509.random_serial_number(),
        not_valid_before=now - _HOUR,
        not_valid_after=now + _HOUR,
    ).sign(key, hashes.SHA256())
    return base64.b64encode(made.public_bytes(serialization.Encoding.DER)).decode()


def pem_of(key: Key, password: bytes | None = None) -> bytes:
    """Write a private key, encrypted where there is a password."""
    encryption = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, encryption
    )


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _host(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)
