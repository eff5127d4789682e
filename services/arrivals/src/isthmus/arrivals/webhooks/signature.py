"""What proves to a receiver that an event is ours (Standard Webhooks, Signature scheme)."""

import base64
import hashlib
import hmac
from collections.abc import Sequence

from isthmus.common.config.arriving import Webhook
from isthmus.common.config.signing import signing_keys, signing_keys_in
from isthmus.common.errors import SettingsError


def signature(keys: Sequence[bytes], event_id: str, timestamp: int, body: bytes) -> str:
    """Give the value of `webhook-signature`: a signature by each key, with blanks between."""
    signed = f"{event_id}.{timestamp}.".encode() + body
    return " ".join(
        "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode() for key in keys
    )


def read_keys(webhook: Webhook) -> tuple[bytes, ...]:
    """Give the keys of a webhook, as they are now.

    Raises:
        SettingsError: its file cannot be read, or holds no secret.
    """
    if webhook.secret is not None:
        return signing_keys(webhook.secret)
    path = webhook.secret_file
    assert path is not None  # noqa: S101 - the settings have one or the other
    try:
        return signing_keys_in(path)
    except ValueError as error:
        raise SettingsError(f"webhook {webhook.name}: secret_file {error}") from None
