"""What a request takes in memory, however much it brings."""

import tracemalloc
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import httpx2
import pytest

from tests.stow.payloads import BOUNDARY, OCTETS, body, described, headers, instances, metadata, reasons
from tests.stow.test_pictures import mpeg_2
from tests.stow.worker import Employ, Job

MIB: Final = 1024 * 1024
VALUE_BYTES: Final = 64 * MIB
MOST: Final = 36 * MIB
"""Three parts of 8 MiB on their way into S3, what the HTTP client and server buffer, and some to spare."""


@contextmanager
def bounded() -> Iterator[None]:
    """Make sure that no more is allocated at any moment."""
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < MOST
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("content_type", "begin"),
    [(OCTETS, b""), ("video/mpeg2", mpeg_2())],
    ids=["native", "compressed"],
)
async def test_a_large_value_is_never_in_memory(
    client: httpx2.AsyncClient,
    employ: Employ,
    series: list[Path],
    content_type: str,
    begin: bytes,
) -> None:
    sizes: list[int] = []

    async def looks(job: Job) -> None:
        sizes.extend(ref.size for ref in await job.refs())
        await job.answer_all(0x0000)

    employ(looks)
    found = described(series[0]).metadata
    for tag in ("00280010", "00280011", "00280002", "00280004"):
        del found[tag]
    found["7FE00010"] = {"vr": "OB", "BulkDataURI": "large"}

    async def chunks() -> AsyncIterator[bytes]:
        yield body([metadata(found)], closed=False)
        yield f"\r\n--{BOUNDARY}\r\nContent-Type: {content_type}\r\nContent-Location: large\r\n\r\n".encode()
        yield begin
        for _ in range(VALUE_BYTES // (256 * 1024)):
            yield bytes(256 * 1024)
        yield f"\r\n--{BOUNDARY}--\r\n".encode()

    with bounded():
        response = await client.post("studies", content=chunks(), headers=headers())
    assert response.status_code == 200, reasons(response)
    assert len(instances(response)) == 1
    assert sizes[0] > VALUE_BYTES
