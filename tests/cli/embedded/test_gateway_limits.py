"""Clients that take their time, and requests that are too much, as they come through the gateway."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from isthmus.cli.embedded.gateway import EmbeddedGateway
from isthmus.common.config.limits import Limits
from tests.common.service.limited import Connection, connected, limited
from tests.peers import free_port

LIMITS = Limits(
    max_header_bytes=4096, header_seconds=0.3, body_seconds=0.3, min_body_bytes=100, max_body_bytes=1000
)
STUDIES = b"/aets/pacs/studies HTTP/1.1\r\nHost: here\r\n"
GET, POST = b"GET " + STUDIES, b"POST " + STUDIES


@asynccontextmanager
async def through_the_gateway(directory: Path) -> AsyncIterator[Connection]:
    """Connect to a gateway before a face with limits."""
    port = free_port()
    async with limited(LIMITS) as behind:
        faces = [f"127.0.0.1:{behind}"]
        gateway = EmbeddedGateway(
            directory, "127.0.0.1", port, qido=faces, wado=faces, stow=faces, limits=LIMITS
        )
        async with gateway, connected(port) as connection:
            yield connection


async def test_headers_that_go_on_by_a_byte_at_a_time_are_cut_off(tmp_path: Path) -> None:
    async with through_the_gateway(tmp_path) as connection:
        connection.send(GET + b"A: ")
        async with connection.trickling():
            await connection.end()


async def test_headers_that_are_too_large_are_431_with_the_reason(tmp_path: Path) -> None:
    async with through_the_gateway(tmp_path) as connection:
        connection.send(GET + b"A: " + b"a" * 5000 + b"\r\n\r\n")
        status, detail = await connection.problem()
        assert status == 431
        assert "limits.max_header_bytes" in detail


async def test_headers_beyond_what_the_gateway_itself_takes_get_no_further(tmp_path: Path) -> None:
    async with through_the_gateway(tmp_path) as connection:
        connection.send(GET + b"A: " + b"a" * 20_000 + b"\r\n\r\n")
        assert (await connection.end())[:13] in {b"HTTP/1.1 431 ", b""}


@pytest.mark.parametrize("encoding", [b"Content-Length: 900\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n"])
async def test_a_body_that_goes_on_by_a_byte_at_a_time_is_408(tmp_path: Path, encoding: bytes) -> None:
    async with through_the_gateway(tmp_path) as connection:
        connection.send(POST + encoding)
        async with connection.trickling(b"1\r\nx\r\n" if b"chunked" in encoding else b"x"):
            status, detail = await connection.problem()
        assert status == 408
        assert "limits.body_seconds" in detail


@pytest.mark.parametrize(
    "body",
    [
        b"Content-Length: 1001\r\n\r\n" + b"x" * 1001,
        b"Transfer-Encoding: chunked\r\n\r\n3e9\r\n" + b"x" * 1001 + b"\r\n0\r\n\r\n",
    ],
)
async def test_a_body_that_is_too_large_is_413_with_the_reason(tmp_path: Path, body: bytes) -> None:
    async with through_the_gateway(tmp_path) as connection:
        connection.send(POST + body)
        status, detail = await connection.problem()
        assert status == 413
        assert "limits.max_body_bytes" in detail
