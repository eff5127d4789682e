"""Why TLS failed, as one of a list, for those who say what to do about it; in words: `tls.in_words`."""

import ssl
from enum import StrEnum
from typing import Final


class TlsFault(StrEnum):
    """Why TLS failed."""

    UNKNOWN_AUTHORITY = "unknown-authority"
    """Of the authorities that we trust none vouches for its certificate."""
    WRONG_NAME = "wrong-name"
    """Its certificate is for another name than that by which we call it."""
    EXPIRED = "expired"
    NOT_YET_VALID = "not-yet-valid"
    INVALID = "invalid"
    """Its certificate does not hold for another reason."""
    SPEAKS_HTTP = "speaks-http"
    NO_TLS = "no-tls"
    """What it says first is no TLS."""
    WANTS_CERTIFICATE = "wants-certificate"
    """It does nothing for who shows no certificate."""
    DISTRUSTS_US = "distrusts-us"
    """It does not trust the certificate that we show."""
    WE_EXPIRED = "we-expired"
    """It says that the certificate that we show has expired."""
    REFUSED = "refused"
    """It refused the handshake, and does not say why: often, because it wants a certificate (TLS 1.2)."""
    NOTHING_IN_COMMON = "nothing-in-common"
    """It speaks no version of TLS, or no cipher suite, that we do."""
    SILENT = "silent"
    BROKE_OFF = "broke-off"
    OTHER = "other"


_FAULTS: Final = {
    "HTTP_REQUEST": TlsFault.SPEAKS_HTTP,
    "WRONG_VERSION_NUMBER": TlsFault.NO_TLS,
    "PACKET_LENGTH_TOO_LONG": TlsFault.NO_TLS,
    "UNSUPPORTED_PROTOCOL": TlsFault.NOTHING_IN_COMMON,
    "TLSV1_ALERT_PROTOCOL_VERSION": TlsFault.NOTHING_IN_COMMON,
    "NO_SHARED_CIPHER": TlsFault.NOTHING_IN_COMMON,
    "SSLV3_ALERT_HANDSHAKE_FAILURE": TlsFault.REFUSED,
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": TlsFault.WANTS_CERTIFICATE,
    "TLSV1_ALERT_UNKNOWN_CA": TlsFault.DISTRUSTS_US,
    "SSLV3_ALERT_BAD_CERTIFICATE": TlsFault.DISTRUSTS_US,
    "SSLV3_ALERT_CERTIFICATE_UNKNOWN": TlsFault.DISTRUSTS_US,
    "SSLV3_ALERT_CERTIFICATE_EXPIRED": TlsFault.WE_EXPIRED,
    "UNEXPECTED_EOF_WHILE_READING": TlsFault.BROKE_OFF,
}
# X509_verify_cert(3)
_NOT_VERIFIED: Final = {
    2: TlsFault.UNKNOWN_AUTHORITY,
    9: TlsFault.NOT_YET_VALID,
    10: TlsFault.EXPIRED,
    18: TlsFault.UNKNOWN_AUTHORITY,
    19: TlsFault.UNKNOWN_AUTHORITY,
    20: TlsFault.UNKNOWN_AUTHORITY,
    21: TlsFault.UNKNOWN_AUTHORITY,
    62: TlsFault.WRONG_NAME,
    64: TlsFault.WRONG_NAME,
}


def fault_of(error: OSError) -> TlsFault:
    """Tell why TLS failed."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return _NOT_VERIFIED.get(error.verify_code, TlsFault.INVALID)
    if isinstance(error, TimeoutError):
        return TlsFault.SILENT
    if isinstance(error, ConnectionError | ssl.SSLEOFError) or not isinstance(error, ssl.SSLError):
        return TlsFault.BROKE_OFF
    return _FAULTS.get(error.reason or "", TlsFault.OTHER)
