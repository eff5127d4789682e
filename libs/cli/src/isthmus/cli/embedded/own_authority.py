"""A certificate of a server, or by which its parts know each other, and an authority for it alone."""

from collections.abc import Sequence
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
_SIGNS = x509.KeyUsage(
    digital_signature=False,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=True,
    crl_sign=True,
    encipher_only=False,
    decipher_only=False,
)


def own_certificate(name: str, hosts: Sequence[str] = (LOOPBACK,)) -> tuple[str, str, str]:
    """Make a certificate whose authority signs nothing else: its key is kept nowhere.

    Args:
        name: the common name of both.
        hosts: names and IP addresses that it is for.

    Returns:
        The authority's certificate, the certificate, and its key, each in PEM.
    """
    authority_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    known_by = x509.SubjectKeyIdentifier.from_public_key(authority_key.public_key())
    # What Python 3.13 asks for too: the use of the authority's key, and of the other's whose it is signed by.
    authority = (
        _begun(f"{name} authority", f"{name} authority", authority_key)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_SIGNS, critical=True)
        .add_extension(known_by, critical=False)
    )
    own = (
        _begun(name, f"{name} authority", key)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([_general_name(host) for host in hosts]), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(known_by), critical=False
        )
    )
    pem = [one.sign(authority_key, hashes.SHA256()).public_bytes(Encoding.PEM) for one in (authority, own)]
    key_pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return pem[0].decode(), pem[1].decode(), key_pem.decode()


def is_for(certificate: str, host: str) -> bool:
    """Tell whether a certificate (PEM), as it is made here, is for a name or IP address."""
    extensions = x509.load_pem_x509_certificate(certificate.encode()).extensions
    return _general_name(host) in extensions.get_extension_for_class(x509.SubjectAlternativeName).value


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        return x509.DNSName(host)


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
