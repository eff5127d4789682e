"""TLS towards an origin: whom we trust, and as whom we come."""

import ssl

from isthmus.common.config import DicomwebOrigin
from isthmus.common.config.files import verifying
from isthmus.common.errors import SettingsError


def tls_context(origin: DicomwebOrigin, *, identified: bool) -> ssl.SSLContext:
    """Make the context for connections to the origin.

    Args:
        origin: its settings.
        identified: whether it has our certificate: towards the origin itself, and towards nobody else.

    Raises:
        SettingsError: a file cannot be read, or does not hold what it should; names origin and file.
    """
    try:
        context = verifying(origin.ca_file)
    except ValueError as error:
        raise SettingsError(f"origin {origin.name}: {error}") from None
    if identified and origin.certificate_file is not None:
        try:
            # Without a password it would ask for one on the terminal.
            context.load_cert_chain(origin.certificate_file, origin.key_file, password="")
        except OSError as error:
            reason = "holds no pair that fits" if isinstance(error, ssl.SSLError) else error.strerror
            files = f"certificate_file, key_file: {origin.certificate_file}, {origin.key_file}"
            raise SettingsError(f"origin {origin.name}: {files}: {reason}") from None
    return context
