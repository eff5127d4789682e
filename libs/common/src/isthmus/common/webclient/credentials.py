"""Who we are to an origin: the value of Authorization (RFC 9110 11.6.2)."""

import base64
from collections.abc import Callable

import httpx2

from isthmus.common.config import DicomwebOrigin
from isthmus.common.webclient.client_credentials import ClientCredentials
from isthmus.common.webclient.secret_file import SecretFile


class Credentials:
    """A user with a password (RFC 7617), or a bearer token (RFC 6750), from files."""

    def __init__(self, value: Callable[[], str]) -> None:
        self._value = value

    async def authorization(self) -> str:
        """Give the value of the header.

        Raises:
            OriginUnreachable: the file cannot be read.
        """
        return self._value()

    def refused(self, value: str) -> None:
        """Hear that this value was answered with 401: the file may hold another one by now."""


def credentials_for(
    origin: DicomwebOrigin, http: httpx2.AsyncClient
) -> Credentials | ClientCredentials | None:
    """Give what the settings say of who we are; None: nobody in particular.

    Args:
        origin: the settings.
        http: by which a token is fetched; it does not hold our certificate.
    """
    if origin.oauth2 is not None:
        return ClientCredentials(origin, origin.oauth2, http)
    if origin.token_file is not None:
        token = SecretFile(origin.token_file, origin.name, in_header=True)
        return Credentials(lambda: f"Bearer {token.text()}")
    if origin.password_file is not None:
        user, password = origin.user, SecretFile(origin.password_file, origin.name)
        return Credentials(lambda: basic(f"{user}:{password.text()}"))
    return None


def basic(user_and_password: str) -> str:
    """Give the value of the header for a user, a colon and a password."""
    return f"Basic {base64.b64encode(user_and_password.encode()).decode()}"
