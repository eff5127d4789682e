"""What a client has already is not sent again, and of what lies in S3 it may have some bytes."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import httpx2
import pytest
from starlette.requests import Request

from isthmus.common.access import PublicRoute
from isthmus.common.blobs import BlobStore
from isthmus.common.dicom.bulk import Piece
from isthmus.common.messages import Failure, Lacking
from isthmus.wado.answers.conditional import ETag, etag_of, is_unchanged
from isthmus.wado.answers.pieces import body_of
from isthmus.wado.answers.ranges import byte_range
from isthmus.wado.answers.streamed import Body, Streamed, unchanged
from tests.wado.serving import serving

TAG = ETag("abc")
CONTENT = bytes(range(100))
TYPE = {"Content-Type": "application/dicom"}

Endpoint = Callable[[Request], AbstractAsyncContextManager[Body]]


@asynccontextmanager
async def served(endpoint: Endpoint) -> AsyncIterator[httpx2.AsyncClient]:
    route = PublicRoute("/aets/{origin}/", Streamed(endpoint), methods=["GET"])
    async with serving([route]) as url, httpx2.AsyncClient(base_url=f"{url}/aets/pacs") as client:
        yield client


def endpoint_of(body: Callable[[], Body]) -> Endpoint:
    @asynccontextmanager
    async def endpoint(_request: Request) -> AsyncIterator[Body]:
        yield body()

    return endpoint


@asynccontextmanager
async def pieces_served(
    blobs: BlobStore, pieces: Sequence[Piece] = (CONTENT,), etag: ETag | None = TAG
) -> AsyncIterator[httpx2.AsyncClient]:
    await blobs.put("pieces", CONTENT)
    async with served(endpoint_of(lambda: body_of(TYPE, blobs, "pieces", pieces, etag=etag))) as client:
        yield client


def request(headers: Mapping[str, str]) -> Request:
    raw = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers.items()]
    return Request({"type": "http", "method": "GET", "headers": raw})


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ('"abc"', True),
        ('W/"abc"', True),
        ("*", True),
        ('"x", W/"abc" , "y"', True),
        ('"abc-gzip", "y"', True),
        ('"x,abc"', False),
        ("abc", False),
        ('"abcd"', False),
        ("", False),
    ],
)
def test_the_tags_a_client_has_are_compared_weakly(header: str, expected: bool) -> None:
    assert is_unchanged(request({"If-None-Match": header}), TAG) is expected


def test_a_tag_depends_on_each_of_its_parts() -> None:
    tags = {str(etag_of(*parts)) for parts in (("a", "b"), ("ab",), ("a", "b", ""), ("b", "a"), ("a", "b"))}
    assert len(tags) == 4


async def test_what_the_client_has_is_304_and_not_made() -> None:
    async def chunks() -> AsyncGenerator[bytes, None]:
        raise AssertionError
        yield

    headers = {**TYPE, "Content-Length": "100", "Content-Location": "/there"}
    async with served(endpoint_of(lambda: Body(headers, chunks(), etag=TAG))) as client:
        response = await client.get("", headers={"If-None-Match": str(TAG)})
    assert (response.status_code, response.content) == (304, b"")
    assert response.headers["ETag"] == str(TAG)
    assert response.headers["Content-Location"] == "/there"
    assert "Content-Type" not in response.headers
    assert "private" in response.headers["Cache-Control"]


async def test_an_endpoint_may_say_so_before_it_does_anything() -> None:
    async with served(endpoint_of(lambda: unchanged(TAG))) as client:
        assert (await client.get("", headers={"If-None-Match": str(TAG)})).status_code == 304


async def test_what_lacks_has_no_tag() -> None:
    async def chunks() -> AsyncGenerator[bytes, None]:
        yield CONTENT

    lacking = Lacking((), Failure("NotDelivered", "no", "pacs"), 1)
    async with served(endpoint_of(lambda: Body(TYPE, chunks(), lacking, TAG))) as client:
        response = await client.get("", headers={"If-None-Match": str(TAG)})
    assert (response.status_code, response.content) == (206, CONTENT)
    assert "ETag" not in response.headers


async def test_each_warning_is_a_header() -> None:
    async def chunks() -> AsyncGenerator[bytes, None]:
        yield CONTENT

    async with served(endpoint_of(lambda: Body(TYPE, chunks(), warnings=("one", "other")))) as client:
        response = await client.get("")
    assert [text.rpartition(": ")[2] for text in response.headers.get_list("Warning")] == ["one", "other"]


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("bytes=0-9", (0, 10)),
        ("bytes=90-", (90, 10)),
        ("bytes=90-1000", (90, 10)),
        ("bytes=-10", (90, 10)),
        ("bytes=-1000", (0, 100)),
        ("Bytes = 0-0", (0, 1)),
        ("bytes=0-9,20-29", None),
        ("bytes=9-0", None),
        ("bytes=-", None),
        ("items=0-9", None),
        ("nonsense", None),
    ],
)
def test_a_range_is_one_of_bytes_or_the_whole(header: str, expected: tuple[int, int] | None) -> None:
    found = byte_range(header, 100)
    assert (None if found is None else (found.offset, found.length)) == expected


@pytest.mark.parametrize(
    "pieces",
    [
        (CONTENT,),
        ((0, 100),),
        ((0, 30), CONTENT[30:60], (60, 40)),
        (CONTENT[:30], (30, 0), b"", (30, 70)),
    ],
)
async def test_a_range_is_those_bytes_wherever_they_lie(blobs: BlobStore, pieces: Sequence[Piece]) -> None:
    async with pieces_served(blobs, pieces) as client:
        whole = await client.get("")
        assert (whole.status_code, whole.content) == (200, CONTENT)
        assert whole.headers["Accept-Ranges"] == "bytes"
        for first, last in ((0, 99), (10, 20), (25, 65), (30, 30), (59, 60), (99, 99)):
            response = await client.get("", headers={"Range": f"bytes={first}-{last}"})
            assert (response.status_code, response.content) == (206, CONTENT[first : last + 1])
            assert response.headers["Content-Range"] == f"bytes {first}-{last}/100"
            assert response.headers["ETag"] == str(TAG)


@pytest.mark.parametrize("header", ["bytes=100-", "bytes=-0", "bytes=500-600"])
async def test_a_range_beyond_the_end_is_416_with_the_size(blobs: BlobStore, header: str) -> None:
    async with pieces_served(blobs) as client:
        response = await client.get("", headers={"Range": header})
    assert (response.status_code, response.headers["Content-Range"]) == (416, "bytes */100")
    assert response.headers["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("etag", "if_range", "status"),
    [
        (TAG, str(TAG), 206),
        (TAG, '"other"', 200),
        (TAG, "W/" + str(TAG), 200),
        (ETag("abc", weak=True), 'W/"abc"', 200),
        (TAG, "Wed, 21 Oct 2015 07:28:00 GMT", 200),
        (None, '"abc"', 200),
    ],
)
async def test_a_range_may_depend_on_a_tag(
    blobs: BlobStore, etag: ETag | None, if_range: str, status: int
) -> None:
    async with pieces_served(blobs, etag=etag) as client:
        response = await client.get("", headers={"Range": "bytes=0-9", "If-Range": if_range})
    assert response.status_code == status
    assert response.content == (CONTENT[:10] if status == 206 else CONTENT)


async def test_head_is_about_the_whole(blobs: BlobStore) -> None:
    async with pieces_served(blobs) as client:
        response = await client.head("", headers={"Range": "bytes=0-9"})
    assert (response.status_code, response.content) == (200, b"")
    assert (response.headers["Content-Length"], response.headers["ETag"]) == ("100", str(TAG))
