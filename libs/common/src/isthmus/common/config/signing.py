"""The secrets that webhooks are signed with, as texts and as keys (Standard Webhooks, Signature scheme)."""

import base64
import binascii
from pathlib import Path
from typing import Final

from isthmus.common.config.files import secret_in

PREFIX: Final = "whsec_"
LEAST_CHARACTERS: Final = 16
MOST_SECRETS: Final = 2


def signing_keys(text: str) -> tuple[bytes, ...]:
    """Give the keys of one secret, or of two that blanks or lines separate: both sign, so that one may go.

    Args:
        text: each secret `whsec_` and base64, whose bytes are the key; or another text, whose UTF-8 is.

    Raises:
        ValueError: none, or more than two, or one that is too short or no base64; it quotes nothing of them.
    """
    secrets = text.split()
    if not 1 <= len(secrets) <= MOST_SECRETS:
        raise ValueError(f"holds {len(secrets)} secrets: one is wanted, or while it is replaced two")
    return tuple(_key(secret) for secret in secrets)


def signing_keys_in(path: Path) -> tuple[bytes, ...]:
    """Give the keys that a file holds, as `signing_keys` reads them.

    Raises:
        ValueError: it cannot be read, or holds no secret; it names the file, and quotes nothing of it.
    """
    try:
        return signing_keys(secret_in(path))
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def _key(secret: str) -> bytes:
    key = secret.encode()
    if secret.startswith(PREFIX):
        try:
            key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
        except (binascii.Error, ValueError):
            raise ValueError(f"what follows {PREFIX} is no base64") from None
    if len(key) < LEAST_CHARACTERS:
        raise ValueError(f"a secret has at least {LEAST_CHARACTERS} characters (24 random bytes are better)")
    return key
