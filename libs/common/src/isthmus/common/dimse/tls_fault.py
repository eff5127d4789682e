"""Why TLS failed: as one of a list, for those who say what to do about it, and in words."""

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


_NO_TRUST: Final = "it does not trust our certificate"
_BROKE_OFF: Final = (TlsFault.BROKE_OFF, "it broke off")
_REASONS: Final = {
    "HTTP_REQUEST": (TlsFault.SPEAKS_HTTP, "it speaks HTTP"),
    "WRONG_VERSION_NUMBER": (TlsFault.NO_TLS, "it speaks no TLS"),
    "PACKET_LENGTH_TOO_LONG": (TlsFault.NO_TLS, "it speaks no TLS"),
    "UNSUPPORTED_PROTOCOL": (TlsFault.NOTHING_IN_COMMON, "it speaks TLS older than 1.2"),
    "TLSV1_ALERT_PROTOCOL_VERSION": (TlsFault.NOTHING_IN_COMMON, "it speaks no TLS of our versions"),
    "NO_SHARED_CIPHER": (TlsFault.NOTHING_IN_COMMON, "it has none of our cipher suites"),
    "SSLV3_ALERT_HANDSHAKE_FAILURE": (TlsFault.REFUSED, "it refused our handshake"),
    "PEER_DID_NOT_RETURN_A_CERTIFICATE": (TlsFault.OTHER, "it showed no certificate"),
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": (TlsFault.WANTS_CERTIFICATE, "it wants a certificate of ours"),
    "TLSV1_ALERT_UNKNOWN_CA": (TlsFault.DISTRUSTS_US, _NO_TRUST),
    "SSLV3_ALERT_BAD_CERTIFICATE": (TlsFault.DISTRUSTS_US, _NO_TRUST),
    "SSLV3_ALERT_CERTIFICATE_UNKNOWN": (TlsFault.DISTRUSTS_US, _NO_TRUST),
    "SSLV3_ALERT_CERTIFICATE_EXPIRED": (TlsFault.WE_EXPIRED, "our certificate has expired, it says"),
    "UNEXPECTED_EOF_WHILE_READING": _BROKE_OFF,
}
"""By OpenSSL's reasons."""
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
    return _why(error)[0]


def in_words(error: OSError) -> str:
    """Say why TLS failed, of the other end as "it"; quotes nothing that it sent."""
    return _why(error)[1]


def _why(error: OSError) -> tuple[TlsFault, str]:
    if isinstance(error, ssl.SSLCertVerificationError):
        fault = _NOT_VERIFIED.get(error.verify_code, TlsFault.INVALID)
        return fault, f"its certificate does not hold: {error.verify_message.rstrip('.')}"
    if isinstance(error, TimeoutError):
        return TlsFault.SILENT, "it did not do the handshake in time"
    if isinstance(error, ConnectionError | ssl.SSLEOFError) or not isinstance(error, ssl.SSLError):
        return _BROKE_OFF
    reason = error.reason or "it failed"
    return _REASONS.get(reason) or (TlsFault.OTHER, reason.lower().replace("_", " "))
