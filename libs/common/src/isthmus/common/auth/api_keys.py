"""API keys: for machines that no identity provider knows.

Who makes one sees it once; a digest of it is kept. A key is `isk_`, an id that comes from its name, and 32
random bytes in base64url: nobody finds them by trying, so that a plain SHA-256 does, and none of the slow
digests that passwords need is wanted.
"""

import hashlib
import hmac
import re
import secrets
import time
from dataclasses import dataclass
from typing import Final

from isthmus.common.config.access import KEY_NAME
from isthmus.common.errors import Unauthenticated

PREFIX: Final = "isk_"
"""By it a key is told from a token, by us and by whoever looks for secrets in what must have none."""
NAME: Final = KEY_NAME
"""The grammar of names: they stand in front of the colon of Basic (RFC 7617 2)."""
_KEY: Final = re.compile(r"isk_([0-9a-f]{16})_([0-9A-Za-z_-]{43})")
_RANDOM_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """What is kept of a key."""

    name: str
    digest: bytes
    """SHA-256 of the key."""
    created: float
    """Seconds since 1970, as all times here."""
    expires: float | None = None
    """None: it holds until it is revoked."""


@dataclass(frozen=True, slots=True)
class Presented:
    """A key as somebody presents it: what it says that it is."""

    id: str
    digest: bytes

    def is_of(self, record: KeyRecord) -> bool:
        """Tell whether this is the key of a record."""
        return hmac.compare_digest(record.digest, self.digest)

    def require(
        self, record: KeyRecord | None, name: str | None = None, now: float | None = None
    ) -> KeyRecord:
        """Give the record of this key.

        Args:
            record: what is kept under its id; None: nothing.
            name: the name that was given with it, if any: it must be the key's.
            now: seconds since 1970; by default now.

        Raises:
            Unauthenticated: there is no such key, or it has expired.
        """
        # One text for all, so that nobody learns which keys there are.
        if record is None or not self.is_of(record) or (name is not None and name != record.name):
            raise Unauthenticated("There is no such key, or it was revoked", error="invalid_token")
        if record.expires is not None and record.expires <= (time.time() if now is None else now):
            raise Unauthenticated("The key has expired", error="invalid_token")
        return record


def key_id(name: str) -> str:
    """Give the id of the keys of this name, of which there is one at a time."""
    return hashlib.sha256(b"isthmus key\0" + name.encode()).hexdigest()[:16]


def make_key(name: str) -> str:
    """Make a key."""
    return f"{PREFIX}{key_id(name)}_{secrets.token_urlsafe(_RANDOM_BYTES)}"


def presented(text: str) -> Presented:
    """Read a key as somebody presents it.

    Raises:
        Unauthenticated: it has not the form of one; the text quotes nothing of it.
    """
    found = _KEY.fullmatch(text)
    if found is None:
        raise Unauthenticated("The key is cut, or none of ours", error="invalid_token")
    return Presented(found[1], hashlib.sha256(text.encode()).digest())
