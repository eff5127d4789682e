"""Whether the secrets of a service can be read, and are worth that name, before it begins."""

from isthmus.common.config import Settings
from isthmus.common.config.listening import well_known
from isthmus.common.errors import SettingsError


def check_secrets(settings: Settings) -> None:
    """Look at the secrets by which a service is known to NATS and S3, and by which it knows the gateway.

    Raises:
        SettingsError: a file holds none; or, where something listens beyond loopback, one of the first two is
            empty, or one that everybody knows. Quotes nothing of it.
    """
    try:
        _ = settings.gateway.shown_secret
    except ValueError as error:
        raise SettingsError(f"gateway.secret_file: {settings.gateway.secret_file}: {error}") from None
    secrets = {}
    nats, s3 = settings.nats, settings.s3
    for name, part, file in (
        ("nats.password", nats, nats.password_file),
        ("s3.secret_key", s3, s3.secret_key_file),
    ):
        try:
            secrets[name] = part.secret
        except ValueError as error:
            raise SettingsError(f"{name}_file: {file}: {error}") from None
    complaints = [*well_known(secrets, settings.listening)]
    if complaints:
        raise SettingsError("\n".join(complaints))
