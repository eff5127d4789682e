"""Who we are: passwords, tokens, and what becomes of them where they are refused."""

import asyncio
import base64
import json
from pathlib import Path
from urllib.parse import parse_qs

import pytest

from isthmus.common.config import DicomwebOrigin
from isthmus.common.errors import (
    HttpOperationFailed,
    MalformedAnswer,
    OriginError,
    OriginTimeout,
    OriginUnreachable,
)
from isthmus.common.webclient import WebClient
from tests.common.webclient.web_origin import (
    Behaviour,
    Request,
    Site,
    origin_at,
    says,
    writes,
    writes_then_is_silent,
    written,
)


def authorizations(site: Site) -> list[str | None]:
    return [request.headers.get("authorization") for request in site.requests]


async def test_a_user_and_a_password(site: Site, tmp_path: Path) -> None:
    secret = written(tmp_path / "password", "pässword:1\n")
    async with WebClient(origin_at(site.url, user="isthmus", password_file=secret)) as client:
        await client.get_json("studies")
    (said,) = authorizations(site)
    assert said is not None
    assert base64.b64decode(said.removeprefix("Basic ")).decode() == "isthmus:pässword:1"


async def test_nobody_in_particular(site: Site, client: WebClient) -> None:
    await client.get_json("studies")
    assert authorizations(site) == [None]


async def test_a_token_that_is_replaced_while_we_run(site: Site, tmp_path: Path) -> None:
    secret = written(tmp_path / "token", "first")
    async with WebClient(origin_at(site.url, token_file=secret)) as client:
        await client.get_json("studies")
        written(tmp_path / "new", "second.token").replace(secret)
        await client.get_json("studies")
    assert authorizations(site) == ["Bearer first", "Bearer second.token"]


@pytest.mark.parametrize("content", [None, "", "two words", "line\nline", "tökén"])
async def test_a_token_that_cannot_be_sent(site: Site, tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "token"
    if content is not None:
        written(path, content)
    async with WebClient(origin_at(site.url, token_file=path)) as client:
        with pytest.raises(OriginUnreachable, match="credentials for the origin cannot be read") as caught:
            await client.get_json("studies")
        assert str(path) not in caught.value.detail
        written(path, "good")
        await client.get_json("studies")
    assert authorizations(site) == ["Bearer good"]


async def test_a_refused_password_is_not_tried_twice(site: Site, tmp_path: Path) -> None:
    site.does(says("401 Unauthorized"))
    secret = written(tmp_path / "password", "secret")
    async with WebClient(origin_at(site.url, user="isthmus", password_file=secret)) as client:
        with pytest.raises(HttpOperationFailed, match="401 Unauthorized") as caught:
            await client.get_json("studies")
    assert caught.value.http_status == 401
    assert len(site.requests) == 1


class Tokens:
    """A token endpoint that gives t1, t2, ..."""

    def __init__(self, site: Site, *, seconds: object = 3600) -> None:
        self.site = site
        self.seconds = seconds
        self.given = 0
        site.does(self.give)

    async def give(self, _: Request, writer: asyncio.StreamWriter) -> None:
        self.given += 1
        token = {"access_token": f"t{self.given}", "token_type": "Bearer", "expires_in": self.seconds}
        await says("200 OK", json.dumps(token), kind="application/json")(_, writer)


@pytest.fixture
async def endpoint() -> object:
    async with Site().listening() as endpoint:
        yield Tokens(endpoint)


def with_oauth2(site: Site, endpoint: Tokens, directory: Path, **more: object) -> DicomwebOrigin:
    secret = written(directory / "secret", "s&cret\n")
    oauth2 = {
        "token_url": f"{endpoint.site.url}/token",
        "client_id": "isthmus",
        "client_secret_file": secret,
        "scope": "dicom.read dicom.write",
    }
    return origin_at(site.url, oauth2=oauth2, **more)


async def test_a_token_is_fetched_once_for_all_who_wait(site: Site, endpoint: Tokens, tmp_path: Path) -> None:
    async with WebClient(with_oauth2(site, endpoint, tmp_path)) as client:
        async with asyncio.TaskGroup() as group:
            for _ in range(8):
                group.create_task(client.get_json("studies"))
        await client.get_json("studies")
    assert authorizations(site) == ["Bearer t1"] * 9
    (asked,) = endpoint.site.requests
    assert asked.method == "POST"
    assert asked.headers["authorization"] == f"Basic {base64.b64encode(b'isthmus:s%26cret').decode()}"
    assert parse_qs(asked.body.decode()) == {
        "grant_type": ["client_credentials"],
        "scope": ["dicom.read dicom.write"],
    }


@pytest.mark.parametrize("seconds", [0.001, "0.001"])
async def test_a_token_is_replaced_before_it_expires(
    site: Site, endpoint: Tokens, tmp_path: Path, seconds: object
) -> None:
    endpoint.seconds = seconds
    async with WebClient(with_oauth2(site, endpoint, tmp_path)) as client:
        await client.get_json("studies")
        await asyncio.sleep(0.002)
        await client.get_json("studies")
    assert authorizations(site) == ["Bearer t1", "Bearer t2"]


@pytest.mark.parametrize("seconds", [None, "soon", -1, [], 0])
async def test_a_token_of_which_nobody_tells_the_end(
    site: Site, endpoint: Tokens, tmp_path: Path, seconds: object
) -> None:
    endpoint.seconds = seconds
    async with WebClient(with_oauth2(site, endpoint, tmp_path)) as client:
        await client.get_json("studies")
        await client.get_json("studies")
    assert authorizations(site) == ["Bearer t1"] * 2


async def test_a_token_that_is_refused_is_replaced_once(site: Site, endpoint: Tokens, tmp_path: Path) -> None:
    site.does(says("401 Unauthorized"), says("200 OK", "[]"))
    async with WebClient(with_oauth2(site, endpoint, tmp_path)) as client:
        assert (await client.get_json("studies")).data_sets == []
        assert authorizations(site) == ["Bearer t1", "Bearer t2"]
        site.does(says("401 Unauthorized"))
        with pytest.raises(HttpOperationFailed) as caught:
            await client.get_json("studies")
    assert caught.value.http_status == 401
    assert authorizations(site)[2:] == ["Bearer t2", "Bearer t3"]


async def test_who_waits_for_a_token_that_does_not_come_fails_with_the_first(
    site: Site, endpoint: Tokens, tmp_path: Path
) -> None:
    endpoint.site.does(writes_then_is_silent())
    async with WebClient(with_oauth2(site, endpoint, tmp_path, timeout_seconds=2)) as client:
        asked = (client.get_json("studies") for _ in range(4))
        failures = await asyncio.gather(*asked, return_exceptions=True)
        assert [type(one) for one in failures] == [OriginTimeout] * 4
        assert len(endpoint.site.requests) == 1
        endpoint.site.does(endpoint.give)
        await client.get_json("studies")


async def test_a_refusal_without_a_new_token_holds_no_connection(
    site: Site, endpoint: Tokens, tmp_path: Path
) -> None:
    origin = with_oauth2(site, endpoint, tmp_path, connections=1, timeout_seconds=2)
    async with WebClient(origin) as client:
        await client.get_json("studies")
        site.does(says("401 Unauthorized", " " * 200_000), says("200 OK", "[]"))
        endpoint.site.does(says("500 Oops"), endpoint.give)
        with pytest.raises(HttpOperationFailed, match="request for a token was answered with 500"):
            await client.get_json("studies")
        assert (await client.get_json("studies")).data_sets == []


async def test_some_want_the_secret_in_the_body(site: Site, endpoint: Tokens, tmp_path: Path) -> None:
    refusal = says("401 Unauthorized", '{"error": "invalid_client"}', kind="application/json")
    endpoint.site.does(refusal, endpoint.give)
    async with WebClient(with_oauth2(site, endpoint, tmp_path)) as client:
        await client.get_json("studies")
        site.does(says("401 Unauthorized"), says("200 OK", "[]"))
        await client.get_json("studies")
    _, second, third = endpoint.site.requests
    for asked in (second, third):
        assert "authorization" not in asked.headers
        assert parse_qs(asked.body.decode())["client_secret"] == ["s&cret"]


@pytest.mark.parametrize(
    ("behaviour", "kind", "words"),
    [
        (
            says("401 Unauthorized", "s&cret"),
            HttpOperationFailed,
            "request for a token was answered with 401",
        ),
        (says("400 Bad Request", "s&cret"), HttpOperationFailed, "answered with 401"),
        (says("500 Oops"), HttpOperationFailed, "answered with 500"),
        (says("302 There", "", "Location: http://127.0.0.1:9/"), HttpOperationFailed, "302"),
        (says("200 OK", "<html>"), MalformedAnswer, "no JSON object"),
        (says("200 OK", "[]"), MalformedAnswer, "no JSON object"),
        (says("200 OK", "{}"), MalformedAnswer, "without a token"),
        (says("200 OK", '{"access_token": "a\\nb"}'), MalformedAnswer, "without a token"),
        (says("200 OK", '{"access_token": "a", "token_type": "mac"}'), OriginUnreachable, "no bearer token"),
        (says("200 OK", " " * 100_000), MalformedAnswer, "no JSON object"),
        (writes(b"", ends=True), OriginUnreachable, "broke off"),
        (writes_then_is_silent(), OriginTimeout, "No answer in time"),
    ],
)
async def test_no_token_is_to_be_had(
    site: Site,
    endpoint: Tokens,
    tmp_path: Path,
    behaviour: Behaviour,
    kind: type[OriginError],
    words: str,
) -> None:
    endpoint.site.does(behaviour)
    async with WebClient(with_oauth2(site, endpoint, tmp_path, timeout_seconds=2)) as client:
        with pytest.raises(kind, match=words) as caught:
            await client.get_json("studies")
        assert "s&cret" not in caught.value.detail
        endpoint.site.does(endpoint.give)
        await client.get_json("studies")
    assert authorizations(site) == ["Bearer t1"]
