"""Retrieves: parts as they come, and bodies that do not come to their end."""

import asyncio
import gzip
import resource
from contextlib import AsyncExitStack

import pytest

from isthmus.common.errors import (
    HttpOperationFailed,
    MalformedAnswer,
    OriginTimeout,
    TruncatedAnswer,
)
from isthmus.common.webclient import WebClient
from tests.common.webclient.web_origin import (
    MULTIPART,
    Behaviour,
    Request,
    Site,
    goes_on_for_ever,
    multipart,
    origin_at,
    says,
    writes,
    writes_then_is_silent,
)
from tests.waiting import PATIENCE

HEAD = f"HTTP/1.1 200 OK\r\nContent-Type: {MULTIPART}\r\nTransfer-Encoding: chunked\r\n\r\n".encode()


def chunk(data: bytes) -> bytes:
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


async def retrieved(client: WebClient, path: str = "studies/1.2") -> list[bytes]:
    async with client.stream_parts(path) as parts:
        return [b"".join([data async for data in part]) async for part in parts]


async def test_each_part_comes_whole(site: Site, client: WebClient) -> None:
    site.does(says("200 OK", multipart(b"one", b"", b"two\r\n--frontie"), kind=MULTIPART))
    assert await retrieved(client) == [b"one", b"", b"two\r\n--frontie"]
    (request,) = site.requests
    assert request.headers["accept"] == 'multipart/related; type="application/dicom"; transfer-syntax=*'
    assert request.headers["accept-encoding"] == "identity"


async def test_what_has_come_is_taken_in_pieces_larger_than_64_kib(site: Site, client: WebClient) -> None:
    site.does(says("200 OK", multipart(bytes(4 * 1024 * 1024)), kind=MULTIPART))
    async with client.stream_parts("studies/1.2") as parts:
        sizes = [len(data) async for part in parts async for data in part]
    assert sum(sizes) == 4 * 1024 * 1024
    assert max(sizes) > 64 * 1024


async def test_what_stands_around_the_parts_is_told(site: Site, client: WebClient) -> None:
    body = b'--frontier\r\nContent-Type: application/dicom; transfer-syntax="1.2"\r\n\r\nDICM\r\n--frontier--'
    site.does(says("206 Partial Content", body, "Warning: 299 here: some lack", kind=MULTIPART))
    async with client.stream_parts("studies/1.2") as parts:
        assert parts.http_status == 206
        assert parts.warnings == ("299 here: some lack",)
        headers = [part.headers async for part in parts]
    assert headers[0]["content-type"] == 'application/dicom; transfer-syntax="1.2"'


async def test_the_first_part_is_there_before_the_body_has_ended(site: Site, client: WebClient) -> None:
    is_there = asyncio.Event()
    whole = multipart(b"first", b"second")
    begin = whole.index(b"second")

    async def behaviour(_: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD + chunk(whole[:begin]))
        await is_there.wait()
        writer.write(chunk(whole[begin:]) + b"0\r\n\r\n")

    site.does(behaviour)
    async with client.stream_parts("studies/1.2") as parts:
        first = await anext(parts)
        assert b"".join([data async for data in first]) == b"first"
        is_there.set()
        assert [b"".join([data async for data in part]) async for part in parts] == [b"second"]


async def test_what_is_not_taken_of_a_part_is_skipped(site: Site, client: WebClient) -> None:
    site.does(says("200 OK", multipart(b"x" * 300_000, b"second"), kind=MULTIPART))
    async with client.stream_parts("studies/1.2") as parts:
        await anext(parts)
        assert [data async for data in await anext(parts)] == [b"second"]


@pytest.mark.parametrize("kind", ["application/dicom", "application/octet-stream", "image/jpeg", "video/mp4"])
async def test_one_instance_may_come_alone(site: Site, client: WebClient, kind: str) -> None:
    site.does(says("200 OK", b"DICM", kind=kind))
    async with client.stream_parts("studies/1.2/series/1.3/instances/1.4") as parts:
        (part,) = [(one.headers["content-type"], [data async for data in one]) async for one in parts]
    assert part == (kind, [b"DICM"])


@pytest.mark.parametrize(
    "behaviour", [says("204 No Content"), says("200 OK", b"--frontier--", kind=MULTIPART)]
)
async def test_nothing_is_an_answer(site: Site, client: WebClient, behaviour: Behaviour) -> None:
    site.does(behaviour)
    assert await retrieved(client) == []
    assert await retrieved(client) == []
    assert site.connections == 1


@pytest.mark.parametrize(
    ("behaviour", "words"),
    [
        (says("200 OK", "<html>DOE</html>", kind="text/html"), "text/html, neither multipart"),
        (says("200 OK", "[]", kind="application/dicom+json"), r"application/dicom\+json, neither"),
        (writes(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nxx"), "nothing that says what it is"),
        (says("200 OK", multipart(b"1"), kind="multipart/related"), "no boundary"),
        (says("200 OK", multipart(b"1", boundary="other"), kind=MULTIPART), "does not occur"),
        (says("200 OK", multipart(b"1").replace(b"\r\n\r\n", b"\r\n"), kind=MULTIPART), "cannot be read"),
        (says("200 OK", b"--frontier\r\nX: " + b"y" * 9000, kind=MULTIPART), "cannot be read"),
        (
            says("200 OK", gzip.compress(multipart(b"1")), "Content-Encoding: gzip", kind=MULTIPART),
            "compressed",
        ),
        (
            writes(b"HTTP/1.1 200 OK\r\nContent-Type: application/dicom\r\n\r\nDICM", ends=True),
            "does not tell where it ends",
        ),
    ],
)
async def test_what_is_no_answer(site: Site, client: WebClient, behaviour: Behaviour, words: str) -> None:
    site.does(behaviour, says("200 OK", multipart(b"1"), kind=MULTIPART))
    with pytest.raises(MalformedAnswer, match=words) as caught:
        await retrieved(client)
    assert "DOE" not in caught.value.detail
    assert await retrieved(client) == [b"1"]


TRUNCATED = multipart(b"first", b"second is longer")[:-24]


@pytest.mark.parametrize(
    "behaviour",
    [
        says("200 OK", TRUNCATED, kind=MULTIPART),
        writes(HEAD + chunk(TRUNCATED), ends=True),
        writes(HEAD + chunk(TRUNCATED) + b"0\r\n\r\n"),
        writes(HEAD.replace(b"Transfer-Encoding: chunked", b"Content-Length: 9999") + TRUNCATED, ends=True),
        writes(HEAD.replace(b"Transfer-Encoding: chunked\r\n", b"") + TRUNCATED, ends=True),
    ],
)
async def test_of_what_is_cut_off_the_parts_before_are_good(
    site: Site, client: WebClient, behaviour: Behaviour
) -> None:
    site.does(behaviour)
    whole, seen = [], []
    with pytest.raises(TruncatedAnswer):  # noqa: PT012 - where in it is what is asked
        async with client.stream_parts("studies/1.2") as parts:
            async for part in parts:
                seen.append(part)
                whole.append(b"".join([data async for data in part]))
    assert whole == [b"first"]
    assert len(seen) == 2


@pytest.mark.parametrize(
    ("said", "is_whole"),
    [("5", True), ("3", True), ("6", False), ("99", False), ("many", True), ("9" * 5000, True)],
)
async def test_a_part_that_is_shorter_than_it_says_is_cut_off(
    site: Site, client: WebClient, said: str, *, is_whole: bool
) -> None:
    body = f"--frontier\r\nContent-Length: {said}\r\n\r\nfirst\r\n--frontier--".encode()
    site.does(says("200 OK", body, kind=MULTIPART))
    if is_whole:
        assert await retrieved(client) == [b"first"]
    else:
        with pytest.raises(TruncatedAnswer, match="shorter than it says"):
            await retrieved(client)


async def test_one_instance_that_is_cut_off(site: Site, client: WebClient) -> None:
    site.does(
        writes(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/dicom\r\nContent-Length: 9\r\n\r\nDI", ends=True
        )
    )
    with pytest.raises(TruncatedAnswer):
        await retrieved(client)


async def test_silence_in_a_body_ends(site: Site) -> None:
    site.does(writes_then_is_silent(HEAD + chunk(TRUNCATED)))
    async with WebClient(origin_at(site.url, timeout_seconds=1)) as client:
        with pytest.raises(OriginTimeout, match="fell silent"):
            await retrieved(client)


async def test_bytes_that_come_slowly_are_no_silence(site: Site) -> None:
    """The whole takes longer than the time-out, each piece of it a tenth or so."""
    body = multipart(b"slow")

    async def behaviour(_: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD)
        for start in range(0, len(body), 6):
            writer.write(chunk(body[start : start + 6]))
            await writer.drain()
            await asyncio.sleep(0.1)
        writer.write(b"0\r\n\r\n")

    site.does(behaviour)
    async with WebClient(origin_at(site.url, timeout_seconds=1)) as client:
        assert await retrieved(client) == [b"slow"]


async def test_whoever_reads_slowly_is_not_taken_for_a_silent_origin(site: Site) -> None:
    site.does(says("200 OK", multipart(b"x" * 2_000_000, b"y"), kind=MULTIPART))
    async with (
        WebClient(origin_at(site.url, timeout_seconds=1)) as client,
        client.stream_parts("studies/1.2") as parts,
    ):
        await anext(parts)
        await asyncio.sleep(1.5)
        assert [data async for data in await anext(parts)] == [b"y"]


async def test_who_leaves_ends_the_request(site: Site, client: WebClient) -> None:
    site.does(goes_on_for_ever(HEAD + chunk(b"--frontier\r\n\r\n"), chunk(b"x" * 65536)), says("204 None"))
    with pytest.raises(LookupError):  # noqa: PT012 - where in it is what is asked
        async with client.stream_parts("studies/1.2") as parts:
            async for part in parts:
                await anext(part)
                raise LookupError
    async with asyncio.timeout(PATIENCE):
        await site.ended.wait()
    assert await retrieved(client) == []


async def test_searches_do_not_wait_for_instances(site: Site) -> None:
    endless = goes_on_for_ever(HEAD + chunk(b"--frontier\r\n\r\n"), chunk(b"x" * 65536))

    async def behaviour(request: Request, writer: asyncio.StreamWriter) -> None:
        await (endless if request.target.endswith("1.2") else says("200 OK", "[]"))(request, writer)

    site.does(behaviour)
    async with WebClient(origin_at(site.url, connections=3)) as client, AsyncExitStack() as going:
        for _ in range(2):
            await going.enter_async_context(client.stream_parts("studies/1.2"))
        third = asyncio.create_task(retrieved(client))
        assert (await client.get_json("studies")).data_sets == []
        assert len(site.requests) == 3, "the third retrieve waits"
        third.cancel()
        await asyncio.wait([third])


async def test_a_failure_of_a_retrieve(site: Site, client: WebClient) -> None:
    site.does(says("404 Not Found"), says("204 None"))
    with pytest.raises(HttpOperationFailed, match="404 Not Found"):
        await retrieved(client)
    assert await retrieved(client) == []
    assert site.connections == 1


async def test_a_part_of_any_size_takes_no_memory(site: Site, client: WebClient) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    megabyte = bytes(1_000_000)

    async def behaviour(_: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD + chunk(b"--frontier\r\n\r\n"))
        for _number in range(200):
            writer.write(chunk(megabyte))
            await writer.drain()
        writer.write(chunk(b"\r\n--frontier--") + b"0\r\n\r\n")

    site.does(behaviour)
    size = 0
    async with client.stream_parts("studies/1.2") as parts:
        async for part in parts:
            async for data in part:
                size += len(data)
    assert size == 200_000_000
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000, "KiB"
