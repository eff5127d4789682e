"""Whoever leaves, at whatever moment: the next request is answered."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from isthmus.common.webclient import OutgoingPart, WebClient
from tests.certificates import Authority
from tests.common.webclient.http2_site import Http2Site, Stream
from tests.common.webclient.web_origin import (
    MULTIPART,
    STUDY,
    Request,
    Site,
    multipart,
    origin_at,
    says,
    written,
)
from tests.waiting import PATIENCE

BODY = multipart(b"x" * 300_000, b"y" * 300_000)
MOMENTS = 60
"""Steps of the event loop after which it is left; the last requests are over by then."""


async def search(client: WebClient) -> None:
    assert (await client.get_json("studies")).data_sets == [STUDY]


async def retrieve(client: WebClient) -> None:
    async with client.stream_parts("studies/1.2") as parts:
        assert [sum([len(data) async for data in part]) async for part in parts] == [300_000, 300_000]


async def store(client: WebClient) -> None:
    async def content() -> AsyncIterator[bytes]:
        for _ in range(4):
            yield b"x" * 100_000

    async def parts() -> AsyncIterator[OutgoingPart]:
        yield OutgoingPart(content(), 400_000)

    assert (await client.post_parts("studies", parts)).http_status == 200


async def _answers(request: Request, writer: asyncio.StreamWriter) -> None:
    if request.method == "POST":
        await says("200 OK")(request, writer)
    elif request.target.endswith("1.2"):
        await says("200 OK", BODY, kind=MULTIPART)(request, writer)
    elif request.headers.get("authorization") == "Bearer old":
        await says("401 Unauthorized", "no")(request, writer)
    else:
        await says("200 OK", json.dumps([STUDY]))(request, writer)


async def _answers_streams(stream: Stream) -> None:
    await stream.is_whole.wait()
    if stream.headers[":method"] == "POST":
        await stream.answer(200)
    elif stream.headers[":path"].endswith("1.2"):
        await stream.answer(200, BODY, content_type=MULTIPART)
    else:
        await stream.answer(200, json.dumps([STUDY]).encode(), content_type="application/dicom+json")


async def _left_at_every_moment(client: WebClient, work: Callable[[WebClient], Awaitable[None]]) -> None:
    for moment in range(MOMENTS):
        task = asyncio.ensure_future(work(client))
        for _ in range(moment):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
    async with asyncio.timeout(PATIENCE):
        await work(client)


@pytest.mark.parametrize("work", [search, retrieve, store])
async def test_over_http_1(site: Site, tmp_path: Path, work: Callable[[WebClient], Awaitable[None]]) -> None:
    site.does(_answers)
    token = written(tmp_path / "token", "new")
    async with WebClient(origin_at(site.url, connections=1, token_file=token)) as client:
        await _left_at_every_moment(client, work)


@pytest.mark.parametrize("work", [search, retrieve, store])
async def test_over_http_2(authority: Authority, work: Callable[[WebClient], Awaitable[None]]) -> None:
    async with Http2Site(authority.server(alpn="h2"), _answers_streams).listening() as site:
        origin = origin_at(site.url, connections=1, ca_file=authority.certificate)
        async with WebClient(origin) as client:
            await _left_at_every_moment(client, work)


async def test_while_a_token_is_fetched(site: Site, authority: Authority, tmp_path: Path) -> None:
    async def token(request: Request, writer: asyncio.StreamWriter) -> None:
        await says("200 OK", '{"access_token": "t", "expires_in": 0.001}')(request, writer)

    site.does(_answers)
    async with Site(authority.server()).listening() as endpoint:
        endpoint.does(token)
        oauth2 = {
            "token_url": f"{endpoint.url}/token",
            "client_id": "isthmus",
            "client_secret_file": written(tmp_path / "secret", "secret"),
        }
        origin = origin_at(site.url, connections=1, ca_file=authority.certificate, oauth2=oauth2)
        async with WebClient(origin) as client:
            await _left_at_every_moment(client, search)
