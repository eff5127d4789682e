"""Stores: what goes out, what is said of it, and bodies that must not look complete."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable

import pytest

from isthmus.common.dicomweb.multipart_out import multipart_length
from isthmus.common.errors import (
    HttpOperationFailed,
    MalformedAnswer,
    OriginTimeout,
    OriginUnreachable,
    StoreUnavailable,
)
from isthmus.common.webclient import OutgoingPart, WebClient
from tests.common.webclient.web_origin import Behaviour, Site, origin_at, says, writes

STORED = {"00081199": {"vr": "SQ", "Value": [{"00081155": {"vr": "UI", "Value": ["1.4"]}}]}}
NATIVE = (
    '<?xml version="1.0"?><NativeDicomModel><DicomAttribute tag="00081190" vr="UR" keyword="RetrieveURL">'
    '<Value number="1">http://x</Value></DicomAttribute></NativeDicomModel>'
)


async def content(*chunks: bytes) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


async def two() -> AsyncIterator[OutgoingPart]:
    yield OutgoingPart(content(b"on", b"e"), 3, "1.2.840.10008.1.2.1")
    yield OutgoingPart(content(b"x" * 600_000), 600_000, "1.2.840.10008.1.2")


async def test_what_goes_out_and_what_comes_back(site: Site, client: WebClient) -> None:
    site.does(says("200 OK", json.dumps(STORED), "Warning: 299 here: coerced"))
    answer = await client.post_parts("studies/1.2", two)
    assert (answer.http_status, answer.response) == (200, STORED)
    assert answer.warnings == ("299 here: coerced",)
    (request,) = site.requests
    assert (request.method, request.target) == ("POST", "/dicom-web/studies/1.2")
    kind, _, boundary = request.headers["content-type"].rpartition("; boundary=")
    assert kind == 'multipart/related; type="application/dicom"'
    delimiter = f"--{boundary}".encode()
    head, first, second, end = request.body.split(delimiter)
    assert (head, end) == (b"", b"--\r\n")
    syntax = b"Content-Type: application/dicom; transfer-syntax=1.2.840.10008.1.2.1"
    assert first == b"\r\n" + syntax + b"\r\nContent-Length: 3\r\n\r\none\r\n"
    assert second.endswith(b"\r\n\r\n" + b"x" * 600_000 + b"\r\n")


async def test_a_body_of_a_known_length_is_not_sent_in_chunks(site: Site, client: WebClient) -> None:
    syntaxes = (("1.2.840.10008.1.2.1", 3), ("1.2.840.10008.1.2", 600_000))
    length = multipart_length("application/dicom", syntaxes)
    site.does(says("200 OK", json.dumps(STORED)))
    await client.post_parts("studies", two, length=length)
    (request,) = site.requests
    assert "transfer-encoding" not in request.headers
    assert int(request.headers["content-length"]) == length == len(request.body)


@pytest.mark.parametrize("status", [200, 202, 400, 409])
async def test_the_response_module_comes_with_each_of_its_statuses(
    site: Site, client: WebClient, status: int
) -> None:
    site.does(says(f"{status} Whatever", json.dumps([STORED])))
    answer = await client.post_parts("studies", two)
    assert (answer.http_status, answer.response) == (status, STORED)


async def test_the_response_module_may_be_xml(site: Site, client: WebClient) -> None:
    site.does(says("200 OK", NATIVE, kind="application/dicom+xml"))
    answer = await client.post_parts("studies", two)
    assert answer.response == {"00081190": {"vr": "UR", "Value": ["http://x"]}}


@pytest.mark.parametrize("behaviour", [says("200 OK"), says("204 No Content")])
async def test_an_origin_may_say_nothing_of_what_it_stored(
    site: Site, client: WebClient, behaviour: Behaviour
) -> None:
    site.does(behaviour)
    assert (await client.post_parts("studies", two)).response is None


@pytest.mark.parametrize(
    "behaviour",
    [
        says("200 OK", "<html>DOE</html>", kind="text/html"),
        says("200 OK", "<DOE>", kind="application/dicom+xml"),
        says("200 OK", "{"),
        says("200 OK", json.dumps([STORED, STORED])),
        says("200 OK", json.dumps({"00081198": {"vr": "SQ", "Value": ["DOE"]}, **STORED})),
        says("200 OK", json.dumps({"00081190": {"vr": "UR"}, "00081198": "1.4"})),
    ],
)
async def test_success_in_words_that_cannot_be_read_is_none(
    site: Site, client: WebClient, behaviour: Behaviour
) -> None:
    site.does(behaviour)
    with pytest.raises(MalformedAnswer) as caught:
        await client.post_parts("studies", two)
    assert "DOE" not in caught.value.detail


@pytest.mark.parametrize(
    ("behaviour", "status"),
    [
        (says("400 Bad Request"), 400),
        (says("409 Conflict", "<html>", kind="text/html"), 409),
        (says("415 Unsupported"), 415),
        (says("413 Too Large", json.dumps(STORED)), 413),
        (says("500 Oops", "{}"), 500),
    ],
)
async def test_a_failure_that_says_no_more(
    site: Site, client: WebClient, behaviour: Behaviour, status: int
) -> None:
    site.does(behaviour)
    with pytest.raises(HttpOperationFailed) as caught:
        await client.post_parts("studies", two)
    assert caught.value.http_status == status


async def _breaks() -> AsyncIterator[bytes]:
    yield b"x" * 100_000
    raise StoreUnavailable("S3 is away")


@pytest.mark.parametrize("length", [None, 1_000_001])
@pytest.mark.parametrize(
    ("part", "words"),
    [
        (lambda: OutgoingPart(_breaks()), "S3 is away"),
        (lambda: OutgoingPart(content(b"short"), 6), "5 bytes where there should be 6"),
    ],
)
async def test_what_cannot_be_read_to_its_end_never_looks_complete(
    part: Callable[[], OutgoingPart], words: str, length: int | None
) -> None:
    bodies: list[bytes] = []
    over = asyncio.Event()

    async def server(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        bodies.append(await reader.read(-1))
        over.set()
        writer.close()

    async def parts() -> AsyncIterator[OutgoingPart]:
        yield part()

    listening = await asyncio.start_server(server, "127.0.0.1", 0)
    async with listening:
        url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
        async with WebClient(origin_at(url)) as client:
            with pytest.raises(StoreUnavailable, match=words):
                await client.post_parts("studies", parts, length=length)
        await over.wait()
    assert b"POST /studies" in bodies[0]
    assert b"0\r\n\r\n" not in bodies[0], "the body has no end"
    assert b"--\r\n" not in bodies[0], "nor have its parts"


async def test_success_before_all_was_sent_is_none() -> None:
    async def hasty(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    async def much() -> AsyncIterator[OutgoingPart]:
        yield OutgoingPart(content(*[b"x" * 1_000_000] * 50))

    async with await asyncio.start_server(hasty, "127.0.0.1", 0) as listening:
        url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
        async with WebClient(origin_at(url)) as client:
            with pytest.raises((MalformedAnswer, OriginUnreachable)):
                await client.post_parts("studies", much)


async def test_an_origin_that_takes_no_more_is_silent() -> None:
    async def stuck(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await done.wait()
        writer.close()

    async def much() -> AsyncIterator[OutgoingPart]:
        yield OutgoingPart(content(*[b"x" * 1_000_000] * 50))

    done = asyncio.Event()
    async with await asyncio.start_server(stuck, "127.0.0.1", 0) as listening:
        url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
        async with WebClient(origin_at(url, timeout_seconds=0.3)) as client:
            with pytest.raises(OriginTimeout):
                await client.post_parts("studies", much)
        done.set()


async def test_our_own_slowness_is_no_silence_of_the_origin(site: Site) -> None:
    async def slow() -> AsyncIterator[bytes]:
        yield b"x"
        await asyncio.sleep(1.5)
        yield b"y"

    async def parts() -> AsyncIterator[OutgoingPart]:
        yield OutgoingPart(slow())

    site.does(says("200 OK"))
    async with WebClient(origin_at(site.url, timeout_seconds=1)) as client:
        assert (await client.post_parts("studies", parts)).http_status == 200


async def test_all_is_sent_again_to_an_origin_that_was_busy(site: Site, client: WebClient) -> None:
    site.does(
        says("503 Busy", "", "Retry-After: 0"), says("429 Slowly", "", "Retry-After: 0"), says("200 OK")
    )
    assert (await client.post_parts("studies", two)).http_status == 200
    assert len({request.body for request in site.requests}) == 1
    assert len(site.requests) == 3


async def test_what_may_be_stored_is_not_sent_again_by_itself(site: Site, client: WebClient) -> None:
    site.does(writes(b"", ends=True))
    with pytest.raises(OriginUnreachable):
        await client.post_parts("studies", two)
    assert len(site.requests) == 1


async def test_half_an_instance_is_never_sent_elsewhere(site: Site, client: WebClient) -> None:
    async with Site().listening() as other:
        site.does(says("307 There", "", f"Location: {other.url}/studies"))
        with pytest.raises(MalformedAnswer, match="takes what is stored to another host"):
            await client.post_parts("studies", two)
        assert other.requests == []


async def test_a_store_follows_to_another_path_of_the_origin(site: Site, client: WebClient) -> None:
    site.does(says("308 There", "", "Location: /other/studies"), says("200 OK"))
    await client.post_parts("studies", two)
    assert [request.target for request in site.requests] == ["/dicom-web/studies", "/other/studies"]
    assert site.requests[0].body == site.requests[1].body


async def test_a_store_does_not_become_a_search(site: Site, client: WebClient) -> None:
    site.does(says("302 There", "", "Location: /other/studies"))
    with pytest.raises(MalformedAnswer, match="makes a GET of a POST"):
        await client.post_parts("studies", two)


def test_the_content_is_not_shown() -> None:
    part = OutgoingPart(content(b"DOE"), 3)
    assert "content=" not in repr(part)
