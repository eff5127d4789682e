"""Who sends a request: each credential, each wrong one, and what nobody may find of them afterwards."""

import base64
import logging
from collections.abc import AsyncIterator, Mapping

import httpx2
import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from isthmus.common.access.authenticator import Authenticator
from isthmus.common.access.key_store import KeyRing
from isthmus.common.auth import Kind, StudyLink, provider_keys
from isthmus.common.bus import Bus
from isthmus.common.errors import IdentityProviderAway, Unauthenticated
from isthmus.common.telemetry.logs import QUIETED
from tests import planted
from tests.audited import audited
from tests.certificates import shown
from tests.common.access.asking import LINK_KEY, OPERATOR, STUDY, basic, bearer, link, refused, told
from tests.common.access.faces import face, settings_of
from tests.common.telemetry.conftest import ended
from tests.idp import Idp, running

__all__ = ["ended"]  # a fixture

GATEWAY = planted.secret("gateway")
ADDRESS = "10.1.0.7"


@pytest.fixture
async def idp() -> AsyncIterator[Idp]:
    async with running() as provider:
        yield provider


@pytest.fixture
async def key(bus: Bus) -> AsyncIterator[str]:
    """The key `ai`."""
    ring = KeyRing(bus)
    made = await ring.create("ai")
    assert made is not None
    yield planted.plant(made)
    await ring.revoke("ai")


@pytest.fixture
async def http(bus: Bus, idp: Idp) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of a face with rules, behind a gateway whose secret it knows."""
    access = {"oidc": [idp.oidc().model_dump()], "link_key": LINK_KEY, "operator_key": OPERATOR}
    async with face(settings_of(access, {"secret": GATEWAY}), bus) as client:
        client.headers["Isthmus-Gateway"] = GATEWAY
        client.headers["X-Forwarded-For"] = ADDRESS
        yield client


async def test_a_token_is_a_user(http: httpx2.AsyncClient, idp: Idp) -> None:
    who = await told(http, bearer(idp.token()))
    assert (who["kind"], who["name"], who["address"]) == ("user", "alice", ADDRESS)


async def test_the_scheme_may_be_written_in_any_case(http: httpx2.AsyncClient, idp: Idp) -> None:
    assert (await told(http, {"Authorization": f"bEARER  {idp.token()}"}))["name"] == "alice"


async def test_a_key_is_known_as_a_token_and_as_a_password(http: httpx2.AsyncClient, key: str) -> None:
    for headers in (bearer(key), basic("ai", key)):
        who = await told(http, headers)
        assert (who["kind"], who["name"]) == ("key", "ai")


async def test_the_operator_is_known_by_his_key(http: httpx2.AsyncClient) -> None:
    assert (await told(http, bearer(OPERATOR)))["kind"] == "operator"
    assert (await http.get("/aets/other/stored", headers=bearer(OPERATOR))).status_code == 200


async def test_a_link_opens_its_study(http: httpx2.AsyncClient) -> None:
    for headers, path in (
        ({}, f"{STUDY}?link={link()}"),
        ({}, f"/links/{link()}{STUDY}"),
        (bearer(link()), STUDY),
    ):
        assert (await told(http, headers, path))["kind"] == "link"


async def test_a_link_opens_nothing_at_another_origin_and_stores_nothing(http: httpx2.AsyncClient) -> None:
    assert (await http.get(f"/aets/other/studies/1.2.3?link={link()}")).status_code == 404
    assert (await http.get(f"/aets/pacs/stored?link={link()}")).status_code == 403


async def test_a_link_is_in_the_urls_that_are_answered_and_nowhere_else(http: httpx2.AsyncClient) -> None:
    shown = link()
    for path in (
        f"{STUDY}?a=1&link={shown}&b=2",
        f"/links/{shown}{STUDY}?a=1&b=2",
        f"{STUDY}?a=1&l%69nk={shown}&b=2",
    ):
        response = await http.get(path)
        assert response.json()["query"] == "a=1&b=2"
        assert response.json()["base"] == f"http://gateway/links/{shown}"
        assert response.headers["Cache-Control"] == "private, no-cache"
        assert response.headers["Referrer-Policy"] == "no-referrer"
    response = await http.get(STUDY, headers=bearer(shown))
    assert response.json()["base"] == "http://gateway"


async def test_a_certificate_is_known_if_the_gateway_says_so(http: httpx2.AsyncClient) -> None:
    who = await told(http, {"Isthmus-Client-Certificate": shown("CN=ct1,O=Hospital")})
    assert (who["kind"], who["name"], who["certificate"]) == ("certificate", *["CN=ct1,O=Hospital"] * 2)


async def test_a_certificate_counts_beside_another_credential(http: httpx2.AsyncClient, key: str) -> None:
    headers = {**bearer(key), "Isthmus-Client-Certificate": shown("CN=Jörg")}
    who = (await http.get(STUDY, headers=headers)).json()
    assert (who["kind"], who["name"], who["certificate"]) == ("key", "ai", "CN=Jörg")


async def test_of_a_certificate_all_common_names_count(http: httpx2.AsyncClient) -> None:
    """One is no proof of another: who may have a name of his own put in may not be somebody else by it."""
    headers = {"Isthmus-Client-Certificate": shown("CN=evil,CN=ct1,O=Hospital")}
    assert (await http.get(STUDY, headers=headers)).status_code == 404


def otherwise(subject: str, before: bytes, after: bytes) -> str:
    """Show a certificate in which something is written in another way."""
    return base64.b64encode(base64.b64decode(shown(subject)).replace(before, after)).decode()


@pytest.mark.parametrize(
    "none",
    [
        "CN=ct1,O=Hospital",
        "AAAA",
        "%",
        otherwise("CN=ct1,O=Hospital", b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x03"),  # of version 4
        otherwise(r"CN=\00ct1", b"\x55\x04\x03\x0c", b"\x55\x04\x03\x03"),  # its name is a BIT STRING
        otherwise("CN=c_1", b"\x55\x04\x03\x0c", b"\x55\x04\x03\x13"),  # what no PrintableString may hold
    ],
    ids=["subject", "short", "no base64", "version", "bits", "letters"],
)
async def test_what_is_no_certificate_is_nobody_s(
    http: httpx2.AsyncClient, none: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "no credential" in await refused(http, {"Isthmus-Client-Certificate": none})
    assert "a client's certificate cannot be read" in capsys.readouterr().out


@pytest.mark.parametrize(
    "secret",
    [None, "", "wrong", GATEWAY[:-1], GATEWAY + "x"],
    ids=["none", "empty", "wrong", "cut", "longer"],
)
async def test_what_only_the_gateway_may_say_is_believed_of_it_alone(
    http: httpx2.AsyncClient, secret: str | None
) -> None:
    headers = {"Isthmus-Client-Certificate": shown("CN=ct1,O=Hospital"), "X-Forwarded-For": "10.7.0.1"}
    if secret is None:
        del http.headers["Isthmus-Gateway"]
    else:
        headers["Isthmus-Gateway"] = secret
    assert "no credential" in await refused(http, headers)


async def test_without_a_gateway_its_headers_count_for_nothing(bus: Bus) -> None:
    async with face(settings_of({}), bus) as http:
        headers = {"Isthmus-Client-Certificate": shown("CN=ct1,O=Hospital"), "X-Forwarded-For": "10.7.0.1"}
        assert "no credential" in await refused(http, {**headers, "Isthmus-Gateway": ""})


@pytest.mark.parametrize(
    ("forwarded", "address"),
    [("10.7.0.1", "10.7.0.1"), ("1.2.3.4, 10.7.0.1", "10.7.0.1"), ("10.7.0.1, nobody", None), ("", None)],
)
async def test_the_address_is_the_one_that_the_gateway_has_seen(
    http: httpx2.AsyncClient, forwarded: str, address: str | None
) -> None:
    response = await http.get(STUDY, headers={"X-Forwarded-For": forwarded})
    if address is None:
        assert response.status_code == 401
    else:
        assert (response.json()["address"], response.json()["client"]) == (address, address)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Digest abc"},
        {"Authorization": "Bearerabc"},
        {"Authorization": ""},
        {"Authorization": "Basic !"},
        {"Authorization": "Basic YWJj"},
        {"Authorization": "Basic gIA="},
        basic("operator", OPERATOR),
        basic("ai", "password"),
    ],
)
async def test_who_shows_nothing_that_we_know_or_a_wrong_password_may_show_either(
    http: httpx2.AsyncClient, headers: Mapping[str, str]
) -> None:
    assert (await refused(http, headers)).startswith('Bearer realm="isthmus", Basic realm="isthmus" ')


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer  "},
        {"Authorization": "Bearer " + "a" * 40_000},
        bearer("nobody"),
        bearer("isk_"),
        bearer("isk_0123456789abcdef_" + "a" * 43),
        bearer("isl_"),
        bearer("isl_" + "a" * 2000),
        bearer(OPERATOR[:-1]),
    ],
)
async def test_a_browser_does_not_ask_for_a_password_where_a_token_does_not_hold(
    http: httpx2.AsyncClient, headers: Mapping[str, str]
) -> None:
    assert (await refused(http, headers)).startswith('Bearer realm="isthmus", error="invalid_token" ')


async def test_nothing_but_a_link_is_taken_from_a_url(http: httpx2.AsyncClient, idp: Idp, key: str) -> None:
    for other in (key, OPERATOR, idp.token(), ""):
        assert "holds no link" in await refused(http, {}, f"{STUDY}?link={other}")
    assert "holds no link" in await refused(http, {}, f"/links/{key}{STUDY}")


async def test_a_key_under_another_name_is_refused(http: httpx2.AsyncClient, key: str) -> None:
    assert "There is no such key" in await refused(http, basic("other", key))


@pytest.mark.parametrize("made", [link(seconds=-1), link(key=planted.secret("other"))], ids=["old", "other"])
async def test_an_expired_link_and_one_by_another_key_are_refused(
    http: httpx2.AsyncClient, made: str
) -> None:
    assert "link" in await refused(http, {}, f"{STUDY}?link={made}")


async def test_a_link_that_was_changed_is_refused(http: httpx2.AsyncClient) -> None:
    shown = link()
    for wrong in (shown[:-4], shown[:30], shown[:40] + ("A" if shown[40] != "A" else "B") + shown[41:], ""):
        assert 'error="invalid_token"' in await refused(http, {}, f"{STUDY}?link={planted.plant(wrong)}")


@pytest.mark.parametrize("both", ["header and link", "two links", "path and link", "two headers"])
async def test_two_credentials_are_one_too_many(http: httpx2.AsyncClient, both: str) -> None:
    path, headers = f"{STUDY}?link={link()}", httpx2.Headers()
    if both == "header and link":
        headers = httpx2.Headers(bearer(link()))
    elif both == "two links":
        path += f"&link={link()}"
    elif both == "path and link":
        path = f"/links/{link()}{path}"
    else:
        path = STUDY
        headers = httpx2.Headers(
            [("Authorization", f"Bearer {link()}"), ("Authorization", f"Bearer {link()}")]
        )
    response = await http.get(path, headers=headers)
    assert response.status_code == 400
    assert not planted.found_in(response.text)


async def test_a_provider_that_is_away_is_told_as_such(http: httpx2.AsyncClient, idp: Idp) -> None:
    await idp.stop()
    response = await http.get(STUDY, headers=bearer(idp.token()))
    assert response.status_code == 503
    assert response.json()["type"] == "urn:isthmus:problem:identity-provider-away"
    assert "Retry-After" in response.headers


async def test_without_rules_other_credentials_count_for_nothing_but_links_do(bus: Bus) -> None:
    access = {"link_key": LINK_KEY, "operator_key": OPERATOR}
    async with face(settings_of(access, is_open=True), bus) as http:
        for headers in ({}, bearer("whatever"), basic("a", "b"), {"Authorization": "Digest abc"}):
            assert (await told(http, headers))["kind"] == "anyone"
        assert (await told(http, bearer(OPERATOR)))["kind"] == "operator"
        assert (await told(http, {}, f"{STUDY}?link={link()}"))["kind"] == "link"
        assert (await http.get(f"/aets/other/studies/1.2.3?link={link()}")).status_code == 404
        assert 'error="invalid_token"' in await refused(http, {}, f"{STUDY}?link={link(seconds=-1)}")


async def test_without_a_link_key_no_link_is_good(bus: Bus) -> None:
    async with face(settings_of({}), bus) as http:
        assert 'error="invalid_token"' in await refused(http, {}, f"{STUDY}?link={link()}")


async def test_dimse_clients_are_known_by_the_same(bus: Bus, idp: Idp, key: str) -> None:
    settings = settings_of({"oidc": [idp.oidc().model_dump()], "link_key": LINK_KEY})
    authenticator = Authenticator(settings, bus)
    by_password = await authenticator.authenticate_password("ai", key, ADDRESS)
    assert (by_password.kind, by_password.name, by_password.address) == (Kind.KEY, "ai", ADDRESS)
    alice = await authenticator.authenticate_token(idp.token(), ADDRESS)
    assert (alice.kind, alice.name) == (Kind.USER, "alice")
    guest = await authenticator.authenticate_token(link(), ADDRESS)
    assert guest.link == StudyLink("pacs", "1.2.3")
    for name, passcode in (("other", key), ("ai", ""), ("ai", "\udcff"), ("", "")):
        with pytest.raises(Unauthenticated):
            await authenticator.authenticate_password(name, passcode, ADDRESS)
    with pytest.raises(Unauthenticated):
        await authenticator.authenticate_token("\udcff", ADDRESS)
    await idp.stop()
    with pytest.raises(Unauthenticated):
        await authenticator.authenticate_token("", ADDRESS)
    await authenticator.close()
    fresh = Authenticator(settings, bus)
    with pytest.raises(IdentityProviderAway):
        await fresh.authenticate_token(idp.token(), ADDRESS)
    await fresh.close()


async def test_nothing_of_a_credential_is_in_records_logs_or_spans(
    http: httpx2.AsyncClient,
    bus: Bus,
    idp: Idp,
    key: str,
    ended: InMemorySpanExporter,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(provider_keys, "AGAIN_SECONDS", 0.0)
    caplog.set_level(logging.DEBUG)
    for name in ("httpx2", "httpcore2"):
        caplog.set_level(QUIETED[name], name)
    before = len(await audited(bus))
    for headers, path in (
        (bearer(idp.token()), STUDY),
        (bearer(idp.token({"aud": "other"})), STUDY),
        (bearer(key), STUDY),
        (basic("other", key), STUDY),
        (bearer(OPERATOR), STUDY),
        ({}, f"{STUDY}?link={link()}"),
        ({}, f"/links/{link()}{STUDY}"),
        ({}, f"{STUDY}?link={link(seconds=-1)}"),
        ({}, f"{STUDY}?link={link()}&link={link()}"),
    ):
        await http.get(path, headers=headers)
    await idp.stop()
    await http.get(STUDY, headers=bearer(idp.token({"sub": "bob"}, header={"kid": "new"})))
    records = (await audited(bus))[before:]
    assert [record.reason for record in records if record.event == "user-authentication"] == [
        "HTTP 401: The token is for somebody else",
        "HTTP 401: There is no such key, or it was revoked",
        "HTTP 401: The link has expired",
        "HTTP 400: link: is there twice",
        "HTTP 503: New tokens cannot be judged: It cannot be asked: ConnectError",
    ]
    spans = "\n".join(span.to_json() for span in ended.get_finished_spans())
    assert "GET /aets/{origin}/studies/{study}" in spans
    said = caplog.text + "".join(capsys.readouterr())
    assert "identity provider is away" in said
    assert not planted.found_in(spans + said + repr(records))
