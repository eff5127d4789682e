"""What is too much of a payload: each bound is a setting, and its answer says which."""

from collections.abc import AsyncIterator

import httpx2
import pytest

from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus
from isthmus.common.config import DimseOrigin, Settings
from isthmus.common.config.limits import Limits
from isthmus.common.service import Parts
from isthmus.stow.app import routes
from tests.stow.payloads import JSON, OCTETS, Part, body, headers
from tests.wado.serving import client_of

LIMITS = Limits(max_parts=2, max_part_headers=4, max_part_header_bytes=128, max_metadata_bytes=1000)


@pytest.fixture
async def client(bus: Bus, blobs: BlobStore, origin_name: str) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of a stow with limits; URLs are relative to its origin."""
    origin = DimseOrigin(name=origin_name, ae_title="PACS", port=104)
    parts = Parts(Settings(origins=(origin,), limits=LIMITS), bus, blobs)
    async with client_of(parts, routes, f"/aets/{origin_name}/") as http:
        yield http


async def refused(client: httpx2.AsyncClient, content: bytes, part_type: str = JSON) -> tuple[int, str]:
    """Store this, and give the status and the detail of the problem."""
    response = await client.post("studies", content=content, headers=headers(part_type))
    assert response.headers["Content-Type"] == "application/problem+json"
    return response.status_code, response.json()["detail"]


@pytest.mark.parametrize("part_type", [JSON, "application/dicom"])
async def test_too_many_parts_are_413_and_nothing_stays_of_them(
    client: httpx2.AsyncClient, blobs: BlobStore, part_type: str
) -> None:
    before = [blob.key async for blob in blobs.list("spool/")]
    parts = [Part(b"x", OCTETS, f"bulk/{number}") for number in range(3)]
    assert await refused(client, body(parts), part_type) == (413, "The body has more than 2 parts")
    assert [blob.key async for blob in blobs.list("spool/")] == before


async def test_metadata_beyond_the_limit_are_413(client: httpx2.AsyncClient) -> None:
    status, detail = await refused(client, body([Part(bytes(1001), JSON)]))
    assert status == 413
    assert detail == "The metadata of the request have more than 1000 bytes"


@pytest.mark.parametrize(
    ("extra", "reason"),
    [
        (b"A: 1\r\n" * 3, "a part has more than 4 headers"),
        (b"A: " + b"x" * 128 + b"\r\n", "a part has a header of more than 128 bytes"),
    ],
)
async def test_too_many_or_too_large_headers_of_a_part_are_400(
    client: httpx2.AsyncClient, extra: bytes, reason: str
) -> None:
    content = body([Part(b"x", JSON, "here")])
    begin = content.index(b"Content-Type")
    status, detail = await refused(client, content[:begin] + extra + content[begin:])
    assert status == 400
    assert detail == f"The multipart body is malformed: {reason}"
