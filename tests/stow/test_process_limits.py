"""stow as a process of its own, held to the limits of its settings."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator

import httpx2
import pytest

from isthmus.common.config.settings import S3, Nats
from tests.common.service.limited import connected
from tests.peers import free_port
from tests.waiting import until

STORE = b"POST /aets/pacs/studies%s HTTP/1.1\r\nHost: here\r\n"
TYPE = b'Content-Type: multipart/related; type="application/dicom"; boundary=b\r\n'


@pytest.fixture
async def port(nats_settings: Nats, s3_settings: S3) -> AsyncIterator[int]:
    """Where it listens."""
    port, origin = free_port(), {"name": "pacs", "protocol": "dimse", "ae_title": "PACS", "port": 104}
    environment = {
        "ISTHMUS_HTTP__LISTEN": f"127.0.0.1:{port}",
        **{f"ISTHMUS_NATS__{key.upper()}": value for key, value in _texts(nats_settings)},
        **{f"ISTHMUS_S3__{key.upper()}": value for key, value in _texts(s3_settings)},
        "ISTHMUS_ORIGINS": json.dumps([origin]),
        "ISTHMUS_LIMITS__MAX_REQUESTS_PER_ADDRESS": "2",
        "ISTHMUS_LIMITS__MAX_QUERY_BYTES": "256",
        "ISTHMUS_LIMITS__MAX_HEADERS": "10",
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "isthmus.stow", env={**os.environ, **environment}
    )
    try:
        async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:

            async def ready() -> bool:
                try:
                    return (await client.get("/readyz")).status_code == 200
                except httpx2.TransportError:
                    return False

            await until(ready)
        yield port
    finally:
        process.terminate()
        await process.wait()


def _texts(settings: Nats | S3) -> list[tuple[str, str]]:
    return [(key, value) for key, value in settings if isinstance(value, str) and value]


async def test_it_refuses_what_is_too_much(port: int) -> None:
    for sent, status in (
        (STORE % (b"?" + b"q" * 257) + b"\r\n", 414),
        (STORE % b"" + b"A: 1\r\n" * 10 + b"\r\n", 431),
    ):
        async with connected(port) as connection:
            connection.send(sent)
            assert (await connection.problem())[0] == status
    begun = STORE % b"" + TYPE + b"Content-Length: 1000\r\n\r\n--b\r\n"
    async with connected(port) as first, connected(port) as second:
        for one in (first, second):
            one.send(begun)

        async def answered() -> int:
            async with connected(port) as third:
                third.send(STORE % b"" + TYPE + b"Content-Length: 0\r\n\r\n")
                return (await third.problem())[0]

        assert await until(answered, (429).__eq__) == 429
    assert await until(answered, (400).__eq__) == 400  # it is no multipart body, and was read
