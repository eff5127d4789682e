"""Tokens of identity providers: which hold, which do not, and for how long they are known."""

import base64
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import orjson
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from joserfc.jwk import OctKey, RSAKey

from isthmus.common.auth import Kind, Policy, Right, tokens
from isthmus.common.auth.tokens import Tokens
from isthmus.common.config.access import Rule
from isthmus.common.errors import Unauthenticated
from tests.idp import AUDIENCE, Idp, Key, key_of, knowing, running, sign
from tests.planted import plant

RULES = [
    Rule.model_validate(
        {"claims": {"groups": ["radiology"], "realm_access.roles": ["reader"]}, "operations": ["search"]}
    ),
    Rule.model_validate(
        {"claims": {"scope": ["dicom.read"], "groups": ["oncology"]}, "operations": ["retrieve"]}
    ),
]


@asynccontextmanager
async def of(idp: Idp, **settings: object) -> AsyncIterator[Tokens]:
    async with knowing(idp, RULES, **settings) as known:
        yield known


async def test_a_token_names_its_user_and_what_rules_ask_of_its_claims(idp: Idp) -> None:
    claims = {
        "groups": ["staff", "radiology"],
        "realm_access": {"roles": ["reader", "writer"]},
        "scope": "openid dicom.read",
        "email": "alice@example.org",
    }
    async with of(idp) as known:
        alice = await known.principal(idp.token(claims, seconds=300), "10.1.0.7")
    assert (alice.kind, alice.name, alice.address) == (Kind.USER, "alice", "10.1.0.7")
    assert alice.claims == {
        "groups": ("radiology",),
        "realm_access.roles": ("reader",),
        "scope": ("dicom.read",),
    }
    assert alice.until is not None
    assert time.time() + 299 < alice.until < time.time() + 331


async def test_another_claim_may_name_the_user(idp: Idp) -> None:
    async with of(idp, name_claim="preferred_username") as known:
        assert (await known.principal(idp.token({"preferred_username": "asmith"}))).name == "asmith"
        with pytest.raises(Unauthenticated, match="does not name its user"):
            await known.principal(idp.token())


@pytest.mark.parametrize(
    ("algorithm", "kind", "size"),
    [
        ("RS256", "RSA", 2048),
        ("PS256", "RSA", 2048),
        ("ES256", "EC", "P-256"),
        ("ES384", "EC", "P-384"),
        ("EdDSA", "OKP", "Ed25519"),
    ],
)
async def test_each_algorithm_of_the_settings_is_verified(
    idp: Idp, algorithm: str, kind: str, size: str | int
) -> None:
    key = key_of(f"{kind}{size}", kind, size)
    idp.keys.append(key)
    async with of(idp, algorithms=[algorithm]) as known:
        token = idp.token(key=key, algorithm=algorithm)
        assert (await known.principal(token)).name == "alice"
        with pytest.raises(Unauthenticated, match="signature"):
            await known.principal(forged(token))


def forged(token: str) -> str:
    """Put other claims under the same signature."""
    head, payload, signature = token.split(".")
    claims = orjson.loads(base64.urlsafe_b64decode(payload + "=="))
    other = base64.urlsafe_b64encode(orjson.dumps({**claims, "sub": "mallory"})).rstrip(b"=").decode()
    return plant(f"{head}.{other}.{signature}")


NOW = time.time()
HALF = orjson.Fragment(rb'"\ud800"')
"""Half of a character (RFC 8259 8.2), which no UTF-8 has: whoever wrote it into a header would fail."""


@pytest.mark.parametrize(
    ("claims", "why"),
    [
        ({"iss": "https://other.example.org"}, "issuer that is not taken"),
        ({"iss": None}, "issuer that is not taken"),
        ({"iss": ["http://127.0.0.1"]}, "issuer that is not taken"),
        ({"aud": "https://other.example.org"}, "somebody else"),
        ({"aud": None}, "somebody else"),
        ({"aud": [AUDIENCE + "/"]}, "somebody else"),
        ({"exp": None}, "never expires"),
        ({"exp": "soon"}, "cannot be read"),
        ({"exp": True}, "cannot be read"),
        ({"exp": int(NOW - 31)}, "has expired"),
        ({"nbf": int(NOW + 86_400)}, "does not hold yet"),
        ({"iat": int(NOW + 86_400)}, "does not hold yet"),
        ({"sub": None}, "does not name its user"),
        ({"sub": ""}, "does not name its user"),
        ({"sub": "a\nb"}, "does not name its user"),
        ({"sub": "a\0b"}, "does not name its user"),
        ({"sub": "a\x1b[2Jb"}, "does not name its user"),
        ({"sub": "a\u202eb"}, "does not name its user"),  # what follows would be shown from right to left
        ({"sub": HALF}, "cannot be read"),
        ({"sub": orjson.Fragment(b'"\xed\xa0\x80"')}, "cannot be read"),
        ({"groups": ["radiology", HALF]}, "cannot be read"),
        ({"sub": "a" * 257}, "does not name its user"),
        ({"sub": ["alice"]}, "does not name its user"),
    ],
)
async def test_claims_that_do_not_hold_are_refused(idp: Idp, claims: Mapping[str, object], why: str) -> None:
    async with of(idp) as known:
        with pytest.raises(Unauthenticated, match=why) as refused:
            await known.principal(idp.token(claims))
    assert refused.value.error == "invalid_token"


@pytest.mark.parametrize(("claim", "seconds"), [("exp", -5), ("nbf", 10), ("iat", 10)])
async def test_clocks_may_differ(idp: Idp, claim: str, seconds: int) -> None:
    async with of(idp, leeway_seconds=300) as known:
        assert (await known.principal(idp.token({claim: int(time.time()) + seconds}))).name == "alice"


async def test_an_audience_may_be_one_of_several(idp: Idp) -> None:
    async with of(idp) as known:
        assert (await known.principal(idp.token({"aud": ["other", AUDIENCE]}))).name == "alice"


@pytest.mark.parametrize(
    ("header", "why"),
    [
        ({"typ": "logout+jwt"}, "none for access"),
        ({"typ": 7}, "none for access"),
        ({"crit": ["exp"]}, "extension"),
        ({"kid": 7}, "cannot be read"),
        ({"kid": HALF}, "cannot be read"),
        ({"kid": "other"}, "does not have"),
    ],
)
async def test_headers_that_do_not_fit_are_refused(idp: Idp, header: Mapping[str, object], why: str) -> None:
    async with of(idp) as known:
        with pytest.raises(Unauthenticated, match=why):
            await known.principal(idp.token(header=header))


@pytest.mark.parametrize(
    "header", [{"typ": None}, {"typ": "JWT"}, {"typ": "application/at+jwt"}, {"kid": None}]
)
async def test_headers_may_say_less(idp: Idp, header: Mapping[str, object]) -> None:
    async with of(idp) as known:
        assert (await known.principal(idp.token(header=header))).name == "alice"


async def test_a_key_in_the_token_itself_counts_for_nothing(idp: Idp) -> None:
    mine = key_of("mine")
    async with of(idp) as known:
        for header in ({"jwk": mine.as_dict(private=False)}, {"jku": f"{idp.issuer}/mine"}):
            with pytest.raises(Unauthenticated, match="does not have"):
                await known.principal(idp.token(key=mine, header=header))
            with pytest.raises(Unauthenticated, match="signature"):
                await known.principal(idp.token(key=mine, header={**header, "kid": idp.keys[0].kid}))


def unsigned(idp: Idp) -> str:
    head, payload, _ = idp.token(header={"alg": "none"}, algorithm="ES256").split(".")
    return plant(f"{head}.{payload}.")


async def test_a_token_without_a_signature_is_refused(idp: Idp) -> None:
    async with of(idp) as known:
        with pytest.raises(Unauthenticated, match="no signed JWT"):
            await known.principal(unsigned(idp))
        with pytest.raises(Unauthenticated, match="algorithm"):
            await known.principal(unsigned(idp) + "AA")


async def test_the_public_key_is_no_shared_secret(idp: Idp) -> None:
    key = key_of("rsa", "RSA", 2048)
    assert isinstance(key, RSAKey)
    idp.keys = [key]
    pem = key.public_key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    secret = OctKey.import_key(pem.hex(), {"kid": "rsa"})
    async with of(idp, algorithms=["RS256"]) as known:
        with pytest.raises(Unauthenticated, match="algorithm"):
            await known.principal(idp.token(key=secret, algorithm="HS256"))


@pytest.mark.parametrize(
    ("algorithm", "kind", "size", "told"),
    [
        ("RS256", "RSA", 1024, {}),
        ("ES256", "EC", "P-256", {"use": "enc"}),
        ("ES256", "EC", "P-256", {"alg": "ES384"}),
        ("ES256", "EC", "P-256", {"crv": "P-521"}),
        ("ES256", "EC", "P-256", {"x": "AA"}),
        ("ES256", "EC", "P-256", {"kty": "oct", "k": "AAAA"}),
        ("ES256", "EC", "P-256", {"kty": "AKP"}),
        ("ES256", "EC", "P-256", {"alg": 7}),
    ],
)
@pytest.mark.filterwarnings("ignore:.*:joserfc.errors.SecurityWarning")
async def test_keys_that_sign_no_tokens_are_not_taken_and_others_beside_them_are(
    idp: Idp, algorithm: str, kind: str, size: str | int, told: Mapping[str, object]
) -> None:
    odd = key_of(f"odd-{kind}{size}", kind, size)
    idp.more_keys = [{**odd.as_dict(private=False), **told}]
    async with of(idp) as known:
        with pytest.raises(Unauthenticated, match="does not have"):
            await known.principal(idp.token(key=odd, algorithm=algorithm))
        assert (await known.principal(idp.token())).name == "alice"


async def test_an_algorithm_that_does_not_fit_the_key_is_refused(idp: Idp) -> None:
    other = key_of("one", "RSA", 2048)
    async with of(idp) as known:
        with pytest.raises(Unauthenticated, match="does not have"):
            await known.principal(idp.token(key=other, algorithm="RS256"))


@pytest.mark.parametrize(
    "token", ["", "a", "a.b", "a.b.c", "....", "a.b.c.d.e", "é.b.c", "bnVsbA.bnVsbA.AA", "Iw.Iw.AA"]
)
async def test_what_is_no_token_is_refused(idp: Idp, token: str) -> None:
    async with of(idp) as known:
        with pytest.raises(Unauthenticated, match=r"The token (is no signed JWT|cannot be read)"):
            await known.principal(token)
    assert not idp.asked


async def test_a_long_token_is_not_looked_at(idp: Idp) -> None:
    async with of(idp) as known:
        with pytest.raises(Unauthenticated, match="longer than 16384"):
            await known.principal(idp.token({"pad": "x" * 16_384}))
    assert not idp.asked


async def test_the_issuer_chooses_the_provider() -> None:
    async with running() as one, running() as other:
        other.keys = [key_of("other")]
        known = Tokens([one.oidc(), other.oidc(audience="theirs")])
        assert (await known.principal(other.token({"aud": "theirs"}))).name == "alice"
        with pytest.raises(Unauthenticated, match="does not have"):
            await known.principal(one.token({"iss": one.issuer}, key=other.keys[0]))
        await known.close()


async def test_a_rule_may_say_by_which_provider_a_user_is_known() -> None:
    async with running() as one, running() as other:
        wanted = {"user": "alice", "claims": {"iss": [one.issuer]}, "operations": ["search"]}
        rules = [Rule.model_validate(wanted)]
        known, policy = Tokens([one.oidc(), other.oidc()], rules), Policy(rules, ["pacs"])
        ours, theirs = await known.principal(one.token()), await known.principal(other.token())
        assert (ours.name, theirs.name) == ("alice", "alice")
        assert [*policy.permits(ours, Right.SEARCH)] == ["pacs"]
        assert not policy.permits(theirs, Right.SEARCH)
        await known.close()


async def test_a_known_token_ends_when_it_expires(idp: Idp, monkeypatch: pytest.MonkeyPatch) -> None:
    async with of(idp, leeway_seconds=0) as known:
        token = idp.token(seconds=100)
        await known.principal(token)
        clock = time.time()
        monkeypatch.setattr(tokens, "time", lambda: clock + 101)
        with pytest.raises(Unauthenticated, match="has expired"):
            await known.principal(token)
        with pytest.raises(Unauthenticated, match="has expired"):
            await known.principal(token)


async def test_a_known_token_is_not_verified_again(idp: Idp, monkeypatch: pytest.MonkeyPatch) -> None:
    async with of(idp) as known:
        token = idp.token()
        await known.principal(token)
        monkeypatch.delattr(Tokens, "_judge")
        assert (await known.principal(token)).name == "alice"


async def test_so_many_tokens_are_remembered_and_no_more(idp: Idp, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "MOST_KNOWN", 3)
    async with of(idp) as known:
        for number in range(10):
            await known.principal(idp.token({"sub": f"user{number}"}))
        assert len(known._known) == 3


def test_the_keys_of_the_test_differ() -> None:
    keys: list[Key] = [key_of("one"), key_of("two")]
    assert sign({"alg": "ES256"}, {}, keys[0]) != sign({"alg": "ES256"}, {}, keys[1])
