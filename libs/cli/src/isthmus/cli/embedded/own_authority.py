"""A certificate by which the parts of a server know each other, and an authority for it alone."""

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from isthmus.cli.embedded.base import LOOPBACK

_VALID = timedelta(days=3650)
_EARLIER = timedelta(hours=1)
"""Clocks may be set back."""


def own_certificate(name: str) -> tuple[str, str, str]:
    """Make a certificate for loopback, whose authority signs nothing else: its key is kept nowhere.

    Args:
        name: the common name of both.

    Returns:
        The authority's certificate, the certificate, and its key, each in PEM.
    """
    authority_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    authority = _begun(f"{name} authority", f"{name} authority", authority_key).add_extension(
        x509.BasicConstraints(ca=True, path_length=0), critical=True
    )
    own = (
        _begun(name, f"{name} authority", key)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(LOOPBACK))]), critical=False)
    )
    pem = [one.sign(authority_key, hashes.SHA256()).public_bytes(Encoding.PEM) for one in (authority, own)]
    key_pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return pem[0].decode(), pem[1].decode(), key_pem.decode()


def _begun(subject: str, issuer: str, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _EARLIER)
        .not_valid_after(now + _VALID)
    )
