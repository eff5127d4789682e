"""TLS towards an origin: whom we trust, and as whom we come."""

import os
import ssl
from pathlib import Path

import certifi

from isthmus.common.config import DicomwebOrigin
from isthmus.common.errors import SettingsError


def tls_context(origin: DicomwebOrigin, *, identified: bool) -> ssl.SSLContext:
    """Make the context for connections to the origin.

    Args:
        origin: its settings.
        identified: whether it has our certificate: towards the origin itself, and towards nobody else.

    Raises:
        SettingsError: a file cannot be read, or does not hold what it should; names origin and file.
    """
    ca_file = origin.ca_file or Path(os.environ.get("SSL_CERT_FILE") or certifi.where())
    try:
        context = ssl.create_default_context(cafile=ca_file)
    except OSError as error:
        raise SettingsError(_complaint(origin, "ca_file", ca_file, error, "certificate")) from None
    if identified and origin.certificate_file is not None:
        try:
            # Without a password it would ask for one on the terminal.
            context.load_cert_chain(origin.certificate_file, origin.key_file, password="")
        except OSError as error:
            pair = f"{origin.certificate_file}, {origin.key_file}"
            complaint = _complaint(origin, "certificate_file, key_file", pair, error, "pair that fits")
            raise SettingsError(complaint) from None
    return context


def _complaint(origin: DicomwebOrigin, key: str, path: Path | str, error: OSError, wanted: str) -> str:
    reason = f"holds no {wanted}" if isinstance(error, ssl.SSLError) else error.strerror
    return f"origin {origin.name}: {key}: {path}: {reason}"
