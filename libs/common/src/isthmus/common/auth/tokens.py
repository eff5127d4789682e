"""Access tokens of OpenID Connect providers: signed JWTs (RFC 7519, RFC 9068; best practices of RFC 8725)."""

import base64
import binascii
import hashlib
import math
import re
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from time import time
from typing import Final

import orjson
from joserfc.errors import JoseError
from joserfc.jws import JWSRegistry

from isthmus.common.auth.claims import Claims, held_claims, text_at, wanted_claims
from isthmus.common.auth.principal import Kind, Principal
from isthmus.common.auth.provider_keys import ProviderKeys, PublicKey
from isthmus.common.config.access import Oidc, Rule
from isthmus.common.errors import Unauthenticated

MOST_BYTES: Final = 16 * 1024
"""Of a token; a longer one is not looked at."""
MOST_KNOWN: Final = 4096
"""Tokens that are remembered, so that their signatures need not be verified again."""
LONGEST_NAME: Final = 256
_JWT: Final = re.compile(r"([0-9A-Za-z_-]+)\.([0-9A-Za-z_-]+)\.([0-9A-Za-z_-]+)")
"""Compact (RFC 7515 7.1); one without a signature is none."""
_TYPES: Final = frozenset({"jwt", "at+jwt", "application/at+jwt"})
"""What a token may say that it is (RFC 9068 2.1): those for another purpose do not count (RFC 8725 3.11)."""


@dataclass(frozen=True, slots=True)
class _Jwt:
    """A token, of which nothing is proved yet."""

    header: Mapping[str, object]
    claims: Claims
    signed: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class _Known:
    """Whose a token is."""

    name: str
    claims: Mapping[str, tuple[str, ...]]
    until: float
    """Seconds since 1970, our clock's."""


class Tokens:
    """The tokens of all providers; those that were good once are known until they expire."""

    def __init__(self, providers: Iterable[Oidc], rules: Iterable[Rule] = ()) -> None:
        """Prepare; nothing is asked of the providers yet.

        Args:
            providers: those of the settings.
            rules: those of the settings: of a token's claims what they name is kept.

        Raises:
            SettingsError: a file of certificates cannot be used.
        """
        self._providers = {each.issuer: (each, ProviderKeys(each)) for each in providers}
        self._wanted = wanted_claims(rules)
        self._known: OrderedDict[bytes, _Known] = OrderedDict()

    async def close(self) -> None:
        """Close the connections to the providers."""
        for _, keys in self._providers.values():
            await keys.close()

    async def principal(self, token: str, address: str = "") -> Principal:
        """Give who somebody is by his token.

        Raises:
            Unauthenticated: the token does not hold; the text quotes nothing of it.
            IdentityProviderAway: it is new, and nobody can tell whether it holds.
        """
        if len(token) > MOST_BYTES:
            raise _refusal(f"The token is longer than {MOST_BYTES} bytes")
        if not token.isascii():
            raise _refusal("The token is no signed JWT")
        digest = hashlib.sha256(token.encode()).digest()
        known = self._known.get(digest)
        if known is None:
            known = await self._judge(token)
            self._known[digest] = known
            if len(self._known) > MOST_KNOWN:
                self._known.popitem(last=False)
        else:
            self._known.move_to_end(digest)
        if known.until <= time():
            self._known.pop(digest, None)
            raise _refusal("The token has expired")
        return Principal(Kind.USER, known.name, known.claims, address, until=known.until)

    async def _judge(self, token: str) -> _Known:
        jwt = _read(token)
        issuer = jwt.claims.get("iss")
        if not isinstance(issuer, str) or issuer not in self._providers:
            raise _refusal("The token is of an issuer that is not taken")
        provider, keys = self._providers[issuer]
        algorithm, kid = _require_header(jwt.header, provider)
        until = _require_claims(jwt.claims, provider)
        fitting = await keys.fitting(kid, algorithm)
        if not fitting:
            raise _refusal("The token is signed by a key that the provider does not have")
        if not any(_is_signed(jwt, algorithm, key) for key in fitting):
            raise _refusal("The signature of the token is wrong")
        name = text_at(jwt.claims, provider.name_claim)
        if name is None or len(name) > LONGEST_NAME:
            raise _refusal("The token does not name its user")
        return _Known(name, held_claims(jwt.claims, self._wanted), until)


def _read(token: str) -> _Jwt:
    found = _JWT.fullmatch(token)
    if found is None:
        raise _refusal("The token is no signed JWT")
    try:
        header, claims = orjson.loads(_bytes(found[1])), orjson.loads(_bytes(found[2]))
        signature = _bytes(found[3])
    except (ValueError, binascii.Error):
        raise _refusal("The token cannot be read") from None
    if not isinstance(header, dict) or not isinstance(claims, dict):
        raise _refusal("The token cannot be read")
    return _Jwt(header, claims, f"{found[1]}.{found[2]}".encode(), signature)


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _require_header(header: Mapping[str, object], provider: Oidc) -> tuple[str, str | None]:
    """Give algorithm and key id."""
    algorithm, kid, kind = header.get("alg"), header.get("kid"), header.get("typ")
    if not isinstance(algorithm, str) or algorithm not in provider.algorithms:
        raise _refusal("The token is signed by an algorithm that is not taken")
    if kind is not None and (not isinstance(kind, str) or kind.lower() not in _TYPES):
        raise _refusal("The token is none for access")
    if "crit" in header:  # we know no extension that would have to be understood (RFC 7515 4.1.11)
        raise _refusal("The token wants an extension to be understood")
    if kid is not None and not isinstance(kid, str):
        raise _refusal("The token cannot be read")
    return algorithm, kid


def _require_claims(claims: Claims, provider: Oidc) -> float:
    """See that a token is for us, and now; give until when (seconds since 1970)."""
    audience = claims.get("aud")
    if provider.audience not in (audience if isinstance(audience, list) else [audience]):
        raise _refusal("The token is for somebody else")
    now, leeway = time(), provider.leeway_seconds
    until = _time(claims, "exp")
    if until is None:
        raise _refusal("The token never expires")
    if until + leeway <= now:
        raise _refusal("The token has expired")
    if any(at is not None and at - leeway > now for at in (_time(claims, "nbf"), _time(claims, "iat"))):
        raise _refusal("The token does not hold yet")
    return until + leeway


def _time(claims: Claims, name: str) -> float | None:
    """Read a NumericDate (RFC 7519 2)."""
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise _refusal("The token cannot be read")
    return float(value)


def _is_signed(jwt: _Jwt, algorithm: str, key: PublicKey) -> bool:
    # By the algorithm itself: joserfc's own way there warns of EdDSA, as providers still call it.
    model = JWSRegistry.algorithms[algorithm]
    try:
        model.check_key(key)
        return model.verify(jwt.signed, jwt.signature, key)
    except (JoseError, ValueError):
        return False


def _refusal(detail: str) -> Unauthenticated:
    return Unauthenticated(detail, error="invalid_token")
