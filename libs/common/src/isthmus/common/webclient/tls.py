"""TLS towards an origin: whom we trust, and as whom we come."""

import ssl

from isthmus.common.config import DicomwebOrigin
from isthmus.common.config.files import identify, verifying
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
        if identified and origin.certificate_file is not None and origin.key_file is not None:
            identify(context, origin.certificate_file, origin.key_file)
    except ValueError as error:
        raise SettingsError(f"origin {origin.name}: {error}") from None
    return context
