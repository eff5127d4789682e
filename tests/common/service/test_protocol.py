"""Headers that are too many, too large, or never end."""

import pytest

from isthmus.common.config.limits import Limits
from tests.common.service.limited import connected, limited

GET = b"GET / HTTP/1.1\r\nHost: here\r\n"
POST = b"POST / HTTP/1.1\r\nHost: here\r\n"
SMALL = Limits(max_headers=10, max_header_bytes=4096, header_seconds=0.3)
PATIENT = Limits(max_headers=10, max_header_bytes=4096)


async def test_as_many_headers_of_as_many_bytes_as_may_be_are_taken() -> None:
    headers = [b"Host: here", *(b"A%d: 1" % number for number in range(8))]
    rest = 4096 - len(b"/") - sum(len(header) + 2 for header in headers) - len(b"B: ") - 2
    headers.append(b"B: " + b"b" * rest)
    async with limited(PATIENT) as port, connected(port) as connection:
        for _ in range(2):
            connection.send(b"\r\n".join([b"GET / HTTP/1.1", *headers, b"", b""]))
            assert await connection.answer() == (200, b"0")


async def test_one_header_more_is_431() -> None:
    async with limited(PATIENT) as port, connected(port) as connection:
        connection.send(GET + b"A: 1\r\n" * 10 + b"\r\n")
        status, detail = await connection.problem()
        assert status == 431
        assert detail == "The request has more than 10 headers (limits.max_headers)"
        assert await connection.end() == b""


@pytest.mark.parametrize(
    "sent",
    [
        GET + b"A: " + b"a" * 4096 + b"\r\n\r\n",
        GET + b"A: " + b"a" * 5000,  # and no end
        GET + b"a" * 5000,
        b"GET /" + b"a" * 5000 + b" HTTP/1.1\r\n\r\n",
        b"GET /" + b"a" * 5000,
        POST + b"Transfer-Encoding: chunked\r\n\r\n1;" + b"a" * 9000,
        POST + b"Transfer-Encoding: chunked\r\n\r\n0\r\nA: " + b"a" * 9000,
        b"\r\n" * 5000,
    ],
)
async def test_more_bytes_of_them_are_refused_however_they_come(sent: bytes) -> None:
    async with limited(PATIENT) as port:
        for size in (len(sent), 1000):
            async with connected(port) as connection:
                for start in range(0, len(sent), size):
                    connection.send(sent[start : start + size])
                    await connection.writer.drain()
                if b"chunked" not in sent:
                    status, detail = await connection.problem()
                    assert status == 431
                    assert (
                        detail
                        == "The URL and the headers have more than 4096 bytes (limits.max_header_bytes)"
                    )
                else:
                    connection.writer.write_eof()
                await connection.end()


@pytest.mark.parametrize("sent", [b"", b"GET /", GET, GET + b"A: "])
async def test_headers_that_go_on_by_a_byte_at_a_time_are_408_when_their_time_is_over(sent: bytes) -> None:
    async with limited(SMALL) as port, connected(port) as connection:
        connection.send(sent)
        if not sent:
            assert await connection.end() == b""
            return
        async with connection.trickling():
            status, detail = await connection.problem()
        assert status == 408
        assert detail == "The headers did not end within 0.3 s (limits.header_seconds)"


async def test_their_time_begins_anew_with_each_request_of_a_connection() -> None:
    async with limited(SMALL) as port, connected(port) as connection:
        for _ in range(3):
            for byte in GET:
                connection.send(bytes((byte,)))
                await connection.writer.drain()
            connection.send(b"\r\n")
            assert await connection.answer() == (200, b"0")
        connection.send(b"G")
        assert (await connection.problem())[0] == 408


async def test_a_body_that_nobody_reads_does_not_hold_the_connection() -> None:
    async with limited(SMALL) as port, connected(port) as connection:
        connection.send(b"POST /unread HTTP/1.1\r\nHost: here\r\nContent-Length: 100000\r\n\r\n")
        assert await connection.answer() == (200, b"early")
        async with connection.trickling():
            assert await connection.end() == b""


async def test_a_request_behind_another_does_not_cut_off_its_answer() -> None:
    async with limited(PATIENT) as port, connected(port) as connection:
        connection.send(POST + b"Content-Length: 3\r\n\r\nabc" + GET + b"A: 1\r\n" * 20 + b"\r\n")
        assert await connection.answer() == (200, b"3")
        assert await connection.end() == b""


@pytest.mark.parametrize(
    "sent", [b"\x16\x03\x01\x02\x00\x01", GET + b"no colon\r\n\r\n", POST + b"Content-Length: x\r\n\r\n"]
)
async def test_what_is_no_http_is_a_problem_too(sent: bytes) -> None:
    async with limited(PATIENT) as port, connected(port) as connection:
        connection.send(sent)
        assert (await connection.problem())[0] == 400
        assert await connection.end() == b""


async def test_chunks_that_are_none_end_the_request() -> None:
    async with limited(PATIENT) as port, connected(port) as connection:
        connection.send(POST + b"Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\nnone\r\n")
        assert (await connection.problem())[0] == 400
        assert await connection.end() == b""
