"""Who may ask a service for what over the bus, by its settings."""

from isthmus.common.auth import Grants, Policy
from isthmus.common.bus.granted import Gate
from isthmus.common.config import Settings
from isthmus.common.errors import SettingsError


def gate_of(settings: Settings, service: str) -> Gate:
    """Make the gate of a service's connection.

    Args:
        settings: the rules, and the key by which services know each other's decisions.
        service: which of them this is.

    Raises:
        SettingsError: there are rules, but no key: a worker could not tell who asks; or its file has none.
    """
    access = settings.access
    try:
        key = access.signing_secret
    except ValueError as error:
        raise SettingsError(f"access.signing_key_file: {access.signing_key_file}: {error}") from None
    if key is None and not access.is_open:
        raise SettingsError(
            "access.rules: services that are run alone need access.signing_key or access.signing_key_file, "
            "the same for all of them; isthmus up makes one by itself"
        )
    return Gate(Grants(key, service), Policy.of(settings))
