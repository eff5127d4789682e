"""The public keys of an identity provider (OpenID Connect Discovery 1.0, RFC 7517), kept and read anew.

Nothing but what the settings name is trusted: the issuer leads to its keys over TLS, and a token says which
of them, never where another one is (`jwk`, `jku` and `x5u` of a header are not looked at).
"""

import asyncio
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from time import monotonic
from typing import Final

import httpx2
import orjson
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, JWKRegistry, OKPKey, RSAKey

from isthmus.common.config.access import Oidc
from isthmus.common.config.files import verifying
from isthmus.common.config.kinds import is_in_clear
from isthmus.common.errors import IdentityProviderAway, SettingsError
from isthmus.common.telemetry import SpanKind, get_logger, span

AGAIN_SECONDS: Final = 5.0
"""So long after its keys were read for one that was not there, or could not be, they are not read again."""
MOST_BYTES: Final = 512 * 1024
"""Of an answer of a provider."""
MOST_KEYS: Final = 256
LEAST_RSA_BITS: Final = 2048
"""RFC 7518 3.3."""
_CURVES: Final[Mapping[str, Sequence[str]]] = {
    "ES256": ("P-256",),
    "ES384": ("P-384",),
    "ES512": ("P-521",),
    "EdDSA": ("Ed25519", "Ed448"),
}
_PUBLIC: Final = ("kty", "n", "e", "crv", "x", "y")
"""What there is to know of a public key (RFC 7518 6, RFC 8037 2)."""
_HEADERS: Final = {"Accept": "application/json", "Accept-Encoding": "identity"}
PublicKey = RSAKey | ECKey | OKPKey

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Known:
    key: PublicKey
    kid: str | None
    algorithm: str | None
    """The only one that it is for, where the provider says so."""

    def fits(self, algorithm: str) -> bool:
        """Tell whether signatures of this algorithm can be this key's."""
        if self.algorithm not in {None, algorithm}:
            return False
        if isinstance(self.key, RSAKey):
            return algorithm[:2] in {"RS", "PS"}
        if isinstance(self.key, OKPKey) != (algorithm == "EdDSA"):
            return False
        return self.key.curve_name in _CURVES.get(algorithm, ())


class ProviderKeys:
    """The keys of one provider."""

    def __init__(self, provider: Oidc) -> None:
        """Read nothing yet.

        Raises:
            SettingsError: the file of certificates cannot be used.
        """
        self._provider = provider
        try:
            context = verifying(provider.ca_file)
        except ValueError as error:
            raise SettingsError(f"access.oidc: {provider.issuer}: {error}") from None
        self._http = httpx2.AsyncClient(
            verify=context, trust_env=False, follow_redirects=False, timeout=provider.timeout_seconds
        )
        self._keys: Sequence[_Known] = ()
        self._read_at: float | None = None
        """When they were read last (monotonic); None: never."""
        self._tried_at = -math.inf
        """When that was tried last."""
        self._failure: str | None = None
        """What the last attempt failed of."""
        self._reading: asyncio.Task[None] | None = None

    async def close(self) -> None:
        """Close the connections."""
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.wait([self._reading])
        await self._http.aclose()

    async def fitting(self, kid: str | None, algorithm: str) -> Sequence[PublicKey]:
        """Give the keys that may have signed a token: one as a rule, none where there is no such key.

        Args:
            kid: the key's id, as the token's header names it; None: it does not.
            algorithm: that of the signature, one of the settings'.

        Raises:
            IdentityProviderAway: the keys are not known, or no longer, and cannot be read.
        """
        if self._read_at is None or _since(self._read_at) >= self._provider.refresh_seconds:
            await self._read()
        found = self._find(kid, algorithm)
        if not found and (self._failure is not None or _since(self._tried_at) >= AGAIN_SECONDS):
            await self._read()
            found = self._find(kid, algorithm)
        return found

    def _find(self, kid: str | None, algorithm: str) -> Sequence[PublicKey]:
        return [
            known.key for known in self._keys if known.fits(algorithm) and (kid is None or known.kid == kid)
        ]

    async def _read(self) -> None:
        """Read the keys, once for all who wait; who comes soon after a failure hears of that one."""
        if self._reading is None:
            if self._failure is not None and _since(self._tried_at) < AGAIN_SECONDS:
                raise IdentityProviderAway(self._failure)
            self._reading = asyncio.create_task(self._attempt())
        await asyncio.shield(self._reading)
        if self._failure is not None:
            raise IdentityProviderAway(self._failure)

    async def _attempt(self) -> None:
        try:
            async with asyncio.timeout(self._provider.timeout_seconds):
                with span("read keys of the identity provider", kind=SpanKind.CLIENT):
                    self._keys = await self._fetch()
            self._read_at, self._failure = monotonic(), None
        except IdentityProviderAway as error:
            self._fail(error.detail)
        except TimeoutError:
            self._fail("It does not answer in time")
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            self._fail(f"It cannot be asked: {type(error).__name__}")
        finally:
            self._tried_at, self._reading = monotonic(), None

    def _fail(self, detail: str) -> None:
        self._failure = f"New tokens cannot be judged: {detail}"
        log.warning("the identity provider is away", issuer=self._provider.issuer, detail=detail)

    async def _fetch(self) -> Sequence[_Known]:
        issuer = self._provider.issuer
        described = await self._get(self._provider.discovery_url)
        if described.get("issuer") != issuer:
            raise IdentityProviderAway("It describes another issuer than the settings name")
        url = described.get("jwks_uri")
        if not isinstance(url, str) or not url.isprintable() or is_in_clear(url):
            raise IdentityProviderAway("It names no https URL of its keys")
        keys = (await self._get(url)).get("keys")
        if not isinstance(keys, list):
            raise IdentityProviderAway("It answers without keys")
        known = [_known(key) for key in keys[:MOST_KEYS] if isinstance(key, dict)]
        return [key for key in known if key is not None]

    async def _get(self, url: str) -> dict[str, object]:
        async with self._http.stream("GET", url, headers=_HEADERS) as response:
            if response.status_code != HTTPStatus.OK:
                raise IdentityProviderAway(f"It answers with {response.status_code}")
            body = b""
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > MOST_BYTES:
                    raise IdentityProviderAway("Its answer is too long")
        try:
            answer = orjson.loads(body)
        except orjson.JSONDecodeError:
            answer = None
        if not isinstance(answer, dict):
            raise IdentityProviderAway("It answers with no JSON object")
        return answer


def _known(key: Mapping[str, str]) -> _Known | None:
    """Read a key of the set; None where it is none that signs tokens (RFC 7517 5: the others still count)."""
    algorithm, kid = key.get("alg"), key.get("kid")
    if key.get("use") not in {None, "sig"} or not isinstance(algorithm, str | None):
        return None
    if key.get("kty") == "oct":  # a secret that everybody can read is none
        return None
    public: dict[str, str | list[str]] = {
        name: key[name] for name in _PUBLIC if isinstance(key.get(name), str)
    }
    try:
        read = JWKRegistry.import_key(public)
        is_short = isinstance(read, RSAKey) and read.public_key.key_size < LEAST_RSA_BITS
    except (JoseError, ValueError, TypeError, KeyError):
        return None
    if is_short or not isinstance(read, RSAKey | ECKey | OKPKey):
        return None
    return _Known(read, kid if isinstance(kid, str) else None, algorithm)


def _since(at: float) -> float:
    return monotonic() - at
