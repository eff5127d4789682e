"""The contexts for TLS over DIMSE, by the BCP 195 RFC 8996, 9325 TLS profile (PS3.15 B.12).

TLS 1.2 and 1.3; with 1.2 the cipher suites of RFC 9325 4.2 and no others: neither CBC, RC4 nor 3DES, always
forward secrecy; keys of RSA from 2,048 bits, and no signatures by SHA-1. No tickets are given, and nothing is
renegotiated.
"""

import ssl
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from isthmus.common.config.files import certificates_file
from isthmus.common.config.tls import ListenerTls, PeerTls

CIPHERS: Final = (
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256",
)
"""Of TLS 1.2 (RFC 9325 4.2); those of TLS 1.3 are all good."""
_SECURITY_LEVEL: Final = "@SECLEVEL=2"
"""Of OpenSSL: from 112 bits, so RSA from 2,048; no SHA-1 in signatures."""


def client_context(tls: PeerTls) -> ssl.SSLContext:
    """Make the context for associations that we request.

    Raises:
        ValueError: a file cannot be read, or used; says which setting names it, and why.
    """
    context = _context(ssl.PROTOCOL_TLS_CLIENT)
    if tls.ca_file is None:
        _trust(context, "ca_file (by SSL_CERT_FILE)", certificates_file())
    else:
        _certificates("ca_file", tls.ca_file)
        _trust(context, "ca_file", tls.ca_file)
    if tls.certificate_file is not None and tls.key_file is not None:
        _identify(context, tls.certificate_file, tls.key_file)
    return context


def server_context(tls: ListenerTls) -> ssl.SSLContext:
    """Make the context for associations that we accept.

    Raises:
        ValueError: a file cannot be read, or used; says which setting names it, and why.
    """
    context = _context(ssl.PROTOCOL_TLS_SERVER)
    # What remains is sessions of TLS 1.2: OpenSSL keeps them with the context, and whose they are. Who is
    # trusted no more, after the files have changed, resumes nothing.
    context.num_tickets = 0
    context.options |= ssl.OP_CIPHER_SERVER_PREFERENCE
    _identify(context, tls.certificate_file, tls.key_file)
    if tls.client_ca_file is not None:
        _certificates("client_ca_file", tls.client_ca_file)
        _trust(context, "client_ca_file", tls.client_ca_file)
        required = tls.require_client_certificate
        context.verify_mode = ssl.CERT_REQUIRED if required else ssl.CERT_OPTIONAL
    return context


def out_of_time(tls: PeerTls | ListenerTls) -> Iterator[str]:
    """Complain about certificates that have expired, or are not valid yet.

    That is no reason not to start: one peer that cannot be reached must not keep all others from being.

    Yields:
        For each file which setting names it, and since or until when.

    Raises:
        ValueError: a file cannot be read, or holds no certificate.
    """
    if tls.certificate_file is not None:
        own = _certificates("certificate_file", tls.certificate_file)[:1]
        yield from _untimely("certificate_file", tls.certificate_file, own)
    place, authority = (
        ("client_ca_file", tls.client_ca_file) if isinstance(tls, ListenerTls) else ("ca_file", tls.ca_file)
    )
    if authority is not None:
        yield from _untimely(place, authority, _certificates(place, authority))


def _untimely(place: str, path: Path, certificates: Sequence[x509.Certificate]) -> Iterator[str]:
    """Complain where none of some certificates is valid now."""
    now = datetime.now(UTC)
    if any(one.not_valid_before_utc <= now <= one.not_valid_after_utc for one in certificates):
        return
    begins, ends = certificates[0].not_valid_before_utc, certificates[0].not_valid_after_utc
    words = f"has expired ({_written(ends)})" if ends < now else f"is not valid before {_written(begins)}"
    yield f"{place}: {path}: {words}"


def _context(protocol: int) -> ssl.SSLContext:
    context = ssl.SSLContext(protocol)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(":".join((*CIPHERS, _SECURITY_LEVEL)))
    context.options |= ssl.OP_NO_TICKET | ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    return context


def _trust(context: ssl.SSLContext, place: str, path: Path) -> None:
    """Trust the certificates in a file that a setting names."""
    try:
        context.load_verify_locations(path)
    except OSError as error:
        raise ValueError(f"{place}: {path}: {_reason(error)}") from None


def _identify(context: ssl.SSLContext, certificate_file: Path, key_file: Path) -> None:
    """Have a certificate of our own."""
    certificate = _certificates("certificate_file", certificate_file)[0]
    if _private_key(key_file).public_key() != certificate.public_key():
        raise ValueError(f"key_file: {key_file}: is not the key of {certificate_file}")
    try:
        # Without a password it would ask for one on the terminal.
        context.load_cert_chain(certificate_file, key_file, password="")
    except OSError as error:
        raise ValueError(f"certificate_file: {certificate_file}: {_reason(error)}") from None


def _certificates(place: str, path: Path) -> list[x509.Certificate]:
    """Read what is at least one certificate; the first is that of whom it is about."""
    content = _content(place, path)
    try:
        return x509.load_pem_x509_certificates(content)
    except (ValueError, UnsupportedAlgorithm):
        raise ValueError(f"{place}: {path}: holds no certificates (PEM) that can be read") from None


def _private_key(path: Path) -> PrivateKeyTypes:
    content = _content("key_file", path)
    try:
        return load_pem_private_key(content, password=None)
    except TypeError:
        raise ValueError(f"key_file: {path}: needs a passphrase; take a key without") from None
    except (ValueError, UnsupportedAlgorithm):  # whose words may quote what they cannot read
        raise ValueError(f"key_file: {path}: holds no private key (PEM) that can be read") from None


def _content(place: str, path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ValueError(f"{place}: {path}: {error.strerror or 'cannot be read'}") from None


def _reason(error: OSError) -> str:
    """Say in words why OpenSSL does not take it: EE_KEY_TOO_SMALL, say."""
    if isinstance(error, ssl.SSLError):
        return (error.reason or "cannot be used").lower().replace("_", " ")
    return error.strerror or "cannot be read"


def _written(time: datetime) -> str:
    return f"{time:%Y-%m-%d %H:%M} UTC"
