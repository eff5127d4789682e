"""Queries and bodies that are too long, and bodies that do not go on."""

import asyncio

import pytest

from isthmus.common.config.limits import Limits
from tests.common.service.limited import connected, limited

POST = b"POST / HTTP/1.1\r\nHost: here\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
SMALL = Limits(max_body_bytes=1000, max_query_bytes=256)
SLOW = Limits(body_seconds=0.3, min_body_bytes=100)


async def test_a_query_as_long_as_may_be_is_taken_and_a_longer_one_is_414() -> None:
    async with limited(SMALL) as port, connected(port) as connection:
        for length, status in ((256, 200), (257, 414)):
            connection.send(b"GET /?" + b"q" * length + b" HTTP/1.1\r\nHost: here\r\n\r\n")
            answered, body = await connection.answer()
            assert answered == status
        assert b"The query has more than 256 bytes (limits.max_query_bytes)" in body


@pytest.mark.parametrize("body", [POST + b"Content-Length: 1000\r\n\r\n", CHUNKED + b"3e8\r\n"])
async def test_a_body_as_large_as_may_be_is_taken(body: bytes) -> None:
    async with limited(SMALL) as port, connected(port) as connection:
        connection.send(body + b"x" * 1000 + (b"\r\n0\r\n\r\n" if b"chunked" in body else b""))
        assert await connection.answer() == (200, b"1000")


@pytest.mark.parametrize(
    "body",
    [
        POST + b"Content-Length: 1001\r\n\r\n",  # answered before any of it
        POST + b"Content-Length: 9999999999999999999\r\n\r\n",
        CHUNKED + b"3e9\r\n" + b"x" * 1001 + b"\r\n0\r\n\r\n",
        CHUNKED + (b"64\r\n" + b"x" * 100 + b"\r\n") * 11,  # and no end
    ],
)
async def test_a_larger_one_is_413(body: bytes) -> None:
    async with limited(SMALL) as port, connected(port) as connection:
        connection.send(body)
        status, detail = await connection.problem()
        assert status == 413
        assert detail == "The body has more than 1000 bytes (limits.max_body_bytes)"


@pytest.mark.parametrize("begun", [POST + b"Content-Length: 5000\r\n\r\n", CHUNKED])
async def test_a_body_that_goes_on_by_a_byte_at_a_time_is_408(begun: bytes) -> None:
    async with limited(SLOW) as port, connected(port) as connection:
        connection.send(begun)
        async with connection.trickling(b"1\r\nx\r\n" if begun is CHUNKED else b"x"):
            status, detail = await connection.problem()
        assert status == 408
        assert detail.startswith("In 0.3 s the body did not go on by 100 bytes")


async def test_a_slow_body_that_goes_on_may_take_as_long_as_it_takes() -> None:
    loop = asyncio.get_running_loop()
    async with limited(Limits(body_seconds=1, min_body_bytes=10)) as port, connected(port) as connection:
        began, sent = loop.time(), 0
        connection.send(POST + b"Content-Length: 250\r\n\r\n")
        while sent < 250:
            connection.send(b"x" * 10)
            sent += 10
            await asyncio.sleep(0.05)
        assert await connection.answer() == (200, b"250")
        assert loop.time() - began > 1
