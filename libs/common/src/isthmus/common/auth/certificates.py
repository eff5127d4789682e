"""The subjects of certificates, read in one way whichever side shows them."""

import base64
import binascii
from functools import lru_cache
from typing import Final

from cryptography import x509
from cryptography.x509.oid import NameOID

_NAMED: Final = {NameOID.SERIAL_NUMBER: "SERIALNUMBER", NameOID.POSTAL_CODE: "POSTALCODE"}
"""Types beside those of RFC 4514 3 that others write by a name."""


def subject_of(certificate: x509.Certificate) -> str:
    """Give the subject as text (RFC 4514), such as `CN=ct1,O=Hospital`; empty where there is none."""
    return certificate.subject.rfc4514_string(_NAMED)


@lru_cache(maxsize=1024)
def subject_in(encoded: str) -> str:
    """Give the subject of a certificate that comes as base64 of its DER (RFC 4648 4); empty if it is none."""
    try:
        return subject_of(x509.load_der_x509_certificate(base64.b64decode(encoded, validate=True)))
    except (binascii.Error, ValueError):
        return ""
