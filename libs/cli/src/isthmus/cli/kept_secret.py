"""Secrets that a start of `isthmus up` finds as the one before has left them."""

import secrets
from pathlib import Path
from typing import Final

from isthmus.cli.private_file import write_private
from isthmus.common.config.access import LEAST_SECRET
from isthmus.common.errors import SettingsError

_BYTES: Final = 32


def kept_secret(path: Path) -> str:
    """Give the secret that a file holds; where there is no such file, it is made, for us alone (0600).

    Raises:
        SettingsError: the file cannot be read or written, or holds none; quotes nothing of it.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            write_private(path, secrets.token_urlsafe(_BYTES))
        secret = path.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: {getattr(error, 'strerror', None) or 'is no text'}") from None
    if len(secret) < LEAST_SECRET:
        raise SettingsError(f"{path}: holds no secret; without the file another one is made")
    return secret
