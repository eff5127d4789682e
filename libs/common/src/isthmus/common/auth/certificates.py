"""The subjects of certificates, read in one way whichever side shows them."""

import base64
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Final

from cryptography import x509
from cryptography.x509.oid import NameOID

from isthmus.common.telemetry import get_logger

_NAMED: Final = {NameOID.SERIAL_NUMBER: "SERIALNUMBER", NameOID.POSTAL_CODE: "POSTALCODE"}
"""Types beside those of RFC 4514 3 that others write by a name."""
LONGEST: Final = 4000
"""Characters of a subject: its parts have 64 at most (RFC 5280 A.1)."""
_CONTROLS: Final = re.compile(r"[\x00-\x1f\x7f]")

log = get_logger(__name__)


@contextmanager
def reading_certificates() -> Iterator[None]:
    """Raise ValueError for all that cryptography cannot read, which others may have taken."""
    try:
        yield
    except (TypeError, x509.InvalidVersion, x509.DuplicateExtension, x509.UnsupportedGeneralNameType):
        raise ValueError("a certificate cannot be read") from None


def subject_of(certificate: x509.Certificate) -> str:
    """Give the subject as one line (RFC 4514), such as `CN=ct1,O=Hospital`; empty where there is none.

    Raises:
        ValueError: it is too long: it would be in every record, and in every message.
    """
    written = certificate.subject.rfc4514_string(_NAMED)
    if len(written) > LONGEST:
        raise ValueError("the subject of a certificate is too long")
    return _CONTROLS.sub(lambda found: f"\\{ord(found[0]):02X}", written)


@lru_cache(maxsize=1024)
def subject_in(encoded: str) -> str:
    """Give the subject of a certificate that comes as base64 of its DER (RFC 4648 4); empty if it is none."""
    try:
        with reading_certificates():
            return subject_of(x509.load_der_x509_certificate(base64.b64decode(encoded, validate=True)))
    except ValueError:
        log.warning("a client's certificate cannot be read")
        return ""
