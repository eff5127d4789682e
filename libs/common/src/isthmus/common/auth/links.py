"""Links that open one study: signed, so that nobody has to remember them.

A link is `isl_` and, in base64url, an HMAC-SHA256 (RFC 2104) and what it is about: origin, study, until when,
and a random id by which audit records tell one link from another.
"""

import base64
import binascii
import hashlib
import hmac
import re
import secrets
import time
from dataclasses import dataclass
from typing import Final

from isthmus.common.auth.principal import Kind, Principal, StudyLink
from isthmus.common.errors import ContractError, Unauthenticated
from isthmus.common.messages import decode, encode

PREFIX: Final = "isl_"
PARAMETER: Final = "link"
"""Of the query of a URL: `?link=isl_...`."""
_LINK: Final = re.compile(r"isl_([0-9A-Za-z_-]{1,1024})")
_CODE_BYTES: Final = hashlib.sha256().digest_size
_ID_BYTES: Final = 6


@dataclass(frozen=True, slots=True)
class SignedLink:
    """What is signed."""

    origin: str
    study: str
    until: float
    """Seconds since 1970."""
    id: str


class Links:
    """Writes and reads links."""

    def __init__(self, key: str) -> None:
        """Take the link key; another one ends all links."""
        self._key = hashlib.sha256(b"isthmus links\0" + key.encode()).digest()

    def make(self, origin: str, study: str, until: float) -> str:
        """Give a link to a study of an origin.

        Args:
            origin: its name.
            study: Study Instance UID.
            until: when it ends (seconds since 1970).
        """
        signed = encode(SignedLink(origin, study, until, secrets.token_hex(_ID_BYTES)))
        return PREFIX + base64.urlsafe_b64encode(self._code(signed) + signed).rstrip(b"=").decode()

    def principal(self, text: str, address: str = "") -> Principal:
        """Give who comes by a link: somebody who may see one study.

        Raises:
            Unauthenticated: it is none of ours, or was changed, or has expired; quotes nothing of it.
        """
        link = self._read(text)
        if link.until <= time.time():
            raise Unauthenticated("The link has expired", error="invalid_token")
        return Principal(
            Kind.LINK, link.id, address=address, until=link.until, link=StudyLink(link.origin, link.study)
        )

    def _read(self, text: str) -> SignedLink:
        found = _LINK.fullmatch(text)
        try:
            encoded = "" if found is None else found[1]
            content = base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4))
        except (binascii.Error, ValueError):
            content = b""
        code, signed = content[:_CODE_BYTES], content[_CODE_BYTES:]
        if not hmac.compare_digest(code, self._code(signed)):
            raise Unauthenticated("The link is cut, or none of ours", error="invalid_token")
        try:
            return decode(signed, SignedLink)
        except ContractError:
            raise Unauthenticated("The link is of another version", error="invalid_token") from None

    def _code(self, signed: bytes) -> bytes:
        return hmac.digest(self._key, signed, "sha256")
