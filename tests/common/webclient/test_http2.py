"""HTTP/2: the same, over streams; one stream to a connection at a time."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from isthmus.common.errors import (
    MalformedAnswer,
    OriginError,
    OriginTimeout,
    OriginUnreachable,
    TruncatedAnswer,
)
from isthmus.common.webclient import OutgoingPart, WebClient
from tests.certificates import Authority
from tests.common.webclient.http2_site import Behaviour, Http2Site, Stream
from tests.common.webclient.web_origin import MULTIPART, Site, multipart, origin_at
from tests.waiting import PATIENCE

JSON = "application/dicom+json"


async def nothing(stream: Stream) -> None:
    await stream.answer(200, b"[]", content_type=JSON)


@pytest.fixture
async def site(authority: Authority) -> AsyncIterator[Http2Site]:
    async with Http2Site(authority.server(alpn="h2"), nothing).listening() as site:
        yield site


@pytest.fixture
async def client(site: Http2Site, authority: Authority) -> AsyncIterator[WebClient]:
    origin = origin_at(site.url, ca_file=authority.certificate, connections=2)
    async with WebClient(origin) as client:
        yield client


async def test_a_search(site: Http2Site, client: WebClient) -> None:
    assert (await client.get_json("studies")).data_sets == []
    assert (await client.get_json("studies")).data_sets == []
    assert site.connections == 1
    assert site.streams[0].headers[":path"] == "/dicom-web/studies"


async def test_it_is_not_spoken_where_the_settings_say_so(authority: Authority) -> None:
    origin = {"ca_file": authority.certificate, "http2": False}
    async with (
        Site(authority.server(alpn="h2")).listening() as site,
        WebClient(origin_at(site.url, **origin)) as client,
    ):
        assert len((await client.get_json("studies")).data_sets) == 1


async def test_a_retrieve_and_a_store_in_constant_memory(site: Http2Site, client: WebClient) -> None:
    size = 40_000_000  # more than the windows of HTTP/2

    async def retrieve(stream: Stream) -> None:
        if stream.headers[":method"] == "POST":
            await stream.is_whole.wait()
            await stream.answer(200)
            return
        stream.begin(200, content_type=MULTIPART)
        await stream.send(b"--frontier\r\n\r\n")
        for _ in range(40):
            await stream.send(bytes(size // 40))
        await stream.send(b"\r\n--frontier--")
        await stream.end()

    async def parts() -> AsyncIterator[OutgoingPart]:
        async def content() -> AsyncIterator[bytes]:
            for _ in range(4):
                yield bytes(1_000_000)

        yield OutgoingPart(content(), 4_000_000)

    site.behaviour = retrieve
    received = 0
    async with client.stream_parts("studies/1.2") as found:
        async for part in found:
            async for data in part:
                received += len(data)
    assert received == size
    await client.post_parts("studies", parts)
    assert len(site.streams[-1].body) > 4_000_000


async def test_who_leaves_ends_the_request_and_nobody_is_held_up(site: Http2Site, client: WebClient) -> None:
    """httpcore2 resets no stream: on a connection that others share their bytes would come no more."""

    async def for_ever(stream: Stream) -> None:
        stream.begin(200, content_type=MULTIPART)
        await stream.send(b"--frontier\r\n\r\n")
        while True:
            await stream.send(bytes(1_000_000))

    for _ in range(3):
        site.behaviour = for_ever
        site.ended.clear()
        with pytest.raises(LookupError):  # noqa: PT012 - where in it is what is asked
            async with client.stream_parts("studies/1.2") as parts:
                await anext(await anext(parts))
                raise LookupError
        async with asyncio.timeout(PATIENCE):
            await site.ended.wait()
        site.behaviour = nothing
        assert (await client.get_json("studies")).data_sets == []


async def test_the_silence_of_one_stream_is_not_broken_by_another(
    site: Http2Site, authority: Authority
) -> None:
    over = asyncio.Event()
    impatient = origin_at(site.url, ca_file=authority.certificate, connections=2, timeout_seconds=1)

    async def behaviour(stream: Stream) -> None:
        stream.begin(200, content_type=MULTIPART)
        await stream.send(b"--frontier\r\n\r\n")
        while stream.headers[":path"].endswith("/1") and not over.is_set():
            await stream.send(b"x")
            await asyncio.sleep(0.05)
        await asyncio.Event().wait()

    async def speaks(client: WebClient) -> None:
        with pytest.raises(OriginTimeout):
            await read(client, "studies/1")

    async def read(client: WebClient, path: str) -> None:
        async with client.stream_parts(path) as parts:
            async for part in parts:
                async for _ in part:
                    pass

    site.behaviour = behaviour
    async with WebClient(impatient) as client, asyncio.TaskGroup() as group:
        group.create_task(speaks(client))
        with pytest.raises(OriginTimeout):
            await read(client, "studies/2")
        over.set()


async def _resets(stream: Stream) -> None:
    stream.reset()


async def _resets_in_the_middle(stream: Stream) -> None:
    stream.begin(200, content_type=MULTIPART)
    await stream.send(multipart(b"first", b"second")[:-20])
    stream.reset()


async def _ends_too_early(stream: Stream) -> None:
    stream.begin(200, content_type=MULTIPART, content_length="1000")
    await stream.send(multipart(b"first", b"second")[:-20])
    await stream.end()


async def _closes(stream: Stream) -> None:
    stream.begin(200, content_type=MULTIPART)
    await stream.send(multipart(b"first", b"second")[:-20])
    stream._connection.writer.close()


async def _huge_headers(stream: Stream) -> None:
    stream.begin(200, content_type=MULTIPART, x="y" * 100_000)


@pytest.mark.parametrize(
    ("behaviour", "kind"),
    [
        (_resets, OriginUnreachable),
        (_resets_in_the_middle, TruncatedAnswer),
        (_ends_too_early, TruncatedAnswer),
        (_closes, TruncatedAnswer),
        (_huge_headers, MalformedAnswer),
    ],
)
async def test_what_is_cut_off(
    site: Http2Site, client: WebClient, behaviour: Behaviour, kind: type[OriginError]
) -> None:
    site.behaviour = behaviour
    with pytest.raises(kind):  # noqa: PT012 - where in it is what is asked
        async with client.stream_parts("studies/1.2") as parts:
            async for part in parts:
                async for _ in part:
                    pass
    site.behaviour = nothing
    assert (await client.get_json("studies")).data_sets == []
