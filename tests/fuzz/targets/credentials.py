"""What somebody shows to be let in: Authorization, links, tokens, keys, and what the gateway says of him."""

import base64
import time
from collections.abc import Iterable
from typing import Final

import orjson
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from joserfc.jwk import ECKey
from starlette.requests import HTTPConnection
from starlette.types import Scope

from isthmus.common.access.credentials import (
    CLIENT_CERTIFICATE,
    FORWARDED_FOR,
    GATEWAY,
    Credential,
    credential_of,
    peer_of,
    take_links,
)
from isthmus.common.auth import Grants, Right, api_keys, tokens
from isthmus.common.auth.claims import held_claims, text_at
from isthmus.common.auth.links import PREFIX, Links
from isthmus.common.config.access import Oidc
from isthmus.common.errors import Forbidden, InvalidParameter, Unauthenticated
from isthmus.common.messages import encode
from tests.fuzz.refusals import PLANTED, refusing

WORDS: Final = (b"Bearer ", b"Basic ", b"isl_", b"isk_", b"link=", b"/links/", b"eyJ", b"::1", b", ", b"%6C")
_PROVIDER: Final = Oidc(issuer="https://idp.example.org", audience="isthmus")
_WANTED: Final = {"roles": frozenset({"a"}), "scope": frozenset({"b"}), "realm.roles": frozenset({"c"})}
_KEY: Final = ECKey.import_key(generate_private_key(SECP256R1()))
_LINKS: Final = Links("a key")
_GRANTS: Final = Grants("another key", "wado")
_SECRET: Final = "secret"


def target(data: bytes) -> None:
    """Read a header, a query and a path; and what they show as each kind of credential."""
    header, _, query = data.partition(b"\n")
    path = query.decode("utf-8", "replace")
    names = ("Authorization", FORWARDED_FOR, CLIENT_CERTIFICATE)
    headers = [*((name.lower().encode(), header) for name in names), (GATEWAY.lower().encode(), b"secret")]
    scope: Scope = {"type": "http", "path": path, "query_string": query, "headers": headers, "client": None}
    take_links(scope)
    peer_of(HTTPConnection(scope), _SECRET)
    credential = None
    with refusing(Unauthenticated, InvalidParameter):
        credential = credential_of(HTTPConnection(scope))
    for shown in (credential or Credential(""), Credential(header.decode("latin-1"))):
        _show(shown.text)
    with refusing(Forbidden):
        _GRANTS.verify(header.decode("latin-1"), "pacs", query)
        raise AssertionError("a grant that nobody signed")


def _show(text: str) -> None:
    with refusing(Unauthenticated):
        api_keys.presented(text)
    with refusing(Unauthenticated):
        _LINKS.principal(text)
        raise AssertionError("a link that nobody signed")
    with refusing(Unauthenticated):
        jwt = tokens._read(text)
        held_claims(jwt.claims, _WANTED)
        text_at(jwt.claims, "sub")
        algorithm, _ = tokens._require_header(jwt.header, _PROVIDER)
        assert not tokens._is_signed(jwt, algorithm, _KEY), "a token that nobody signed"
        tokens._require_claims(jwt.claims, _PROVIDER)


def seeds() -> Iterable[bytes]:
    """What is shown, none of it good."""
    made = Links("a third key").make("pacs", "1.2.3", time.time() + 60)
    yield f"Bearer {made}\nlink={made}&limit=1".encode()
    yield f"10.0.0.1, ::1\n/links/{made}/aets/pacs".encode()
    yield b"Basic " + base64.b64encode(f"name:{api_keys.make_key(PLANTED[:8])}".encode()) + b"\na=b"
    claims = {"iss": "https://idp.example.org", "aud": ["isthmus"], "exp": 2**40, "sub": PLANTED, "nbf": 1.5}
    for algorithm in ("ES256", "RS256", "none", "HS256", "EdDSA"):
        parts = ({"alg": algorithm, "kid": "a", "typ": "at+jwt"}, {**claims, "roles": ["a"], "scope": "b c"})
        token = b".".join(base64.urlsafe_b64encode(orjson.dumps(part)).rstrip(b"=") for part in parts)
        yield b"Bearer " + token + b"." + base64.urlsafe_b64encode(bytes(64)).rstrip(b"=")
        yield token + b".AAAA"
    signed = Grants("a fourth key", "qido").header(Right.SEARCH, "pacs", b"payload")
    yield next(iter(signed.values())).encode() + b"\npayload"
    unsigned = base64.urlsafe_b64encode(bytes(32) + encode(api_keys.KeyRecord("a", b"b", 1.0)))
    yield PREFIX.encode() + unsigned
