"""Every request is measured once, however it ends, over a real server."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from isthmus.common.config import ListenAddress
from isthmus.common.dicomweb.problem import exception_handlers
from isthmus.common.errors import StoreUnavailable
from isthmus.common.service.server import server
from isthmus.common.telemetry import AsgiTracing
from tests.measured import measured, told, total
from tests.peers import free_port
from tests.waiting import until

ACTIVE = "http_server_active_requests"
SECONDS = "http_server_request_duration_seconds_count"
REQUEST = "http_server_request_body_size_bytes"
RESPONSE = "http_server_response_body_size_bytes"

Answer = Callable[[Request], Awaitable[Response]]


@asynccontextmanager
async def serving(route: str, answer: Answer | ASGIApp, *methods: str) -> AsyncIterator[int]:
    """Serve a route over a real server, and give its port."""
    routes = [Route(route, answer, methods=methods or ("GET",))]
    handlers = {ClientDisconnect: exception_handlers[ClientDisconnect]}
    app = AsgiTracing(Starlette(routes=routes, exception_handlers=handlers))
    port = free_port()
    running = server(app, ListenAddress(f"127.0.0.1:{port}"))
    task = asyncio.create_task(running.serve())
    await until(lambda: asyncio.sleep(0, running.started))
    try:
        yield port
    finally:
        running.should_exit = True
        await task


async def ask(port: int, sent: bytes, heard: Callable[[bytes], bool] | None = None) -> bytes:
    """Send bytes, and read to the end, or until something is heard: then the connection is cut."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(sent)
    read = b""
    while some := await reader.read(65536):
        read += some
        if heard is not None and heard(read):
            break
    if heard is not None:
        writer.transport.abort()
    else:
        writer.close()
    return read


def get(path: str, method: str = "GET", more: str = "") -> bytes:
    return f"{method} {path} HTTP/1.1\r\nHost: isthmus\r\nConnection: close\r\n{more}\r\n".encode()


async def ended(route: str) -> dict[str, str]:
    """Give how the only request of a route ended."""
    found = await until(lambda: asyncio.sleep(0, told(SECONDS, http_route=route)))
    (one,) = found
    return dict(one)


async def test_a_request_that_its_client_breaks_off_is_under_way_no_more() -> None:
    begun = asyncio.Event()

    async def endless(_: Request) -> Response:
        async def body() -> AsyncIterator[bytes]:
            while True:
                begun.set()
                yield bytes(65536)
                await asyncio.sleep(0)

        return StreamingResponse(body())

    before = total(ACTIVE)
    async with serving("/endless", endless) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(get("/endless"))
        await begun.wait()
        assert total(ACTIVE) == before + 1
        assert await reader.read(100)
        writer.transport.abort()
        await until(lambda: asyncio.sleep(0, total(ACTIVE)), lambda now: now == before)
    one = await ended("/endless")
    assert one["http_response_status_code"] == "200"
    assert one["error_type"]


async def test_a_body_that_we_break_off_is_an_error_though_its_status_was_200() -> None:
    async def broken(_: Request) -> Response:
        async def body() -> AsyncIterator[bytes]:
            yield b"first"
            raise StoreUnavailable("S3 get: 503")

        return StreamingResponse(body())

    async with serving("/broken", broken) as port:
        await ask(port, get("/broken"))
    one = await ended("/broken")
    assert (one["http_response_status_code"], one["error_type"]) == ("200", "StoreUnavailable")
    assert total(f"{RESPONSE}_sum", http_route="/broken") == len(b"first")


class BreaksOff:
    """Begins an answer well, and returns without the end of it: as wado does where an origin fails."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"first", "more_body": True})


class WaitsForItsClientToLeave:
    """Returns when its client has left, perhaps before anything is answered."""

    def __init__(self, *, begins: bool) -> None:
        self.begins = begins
        self.is_waiting = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self.begins:
            await BreaksOff()(scope, receive, send)
        self.is_waiting.set()
        while (await receive())["type"] != "http.disconnect":
            pass


async def test_a_body_that_we_break_off_without_a_word_is_our_error_too() -> None:
    async with serving("/breaks-off-silently", BreaksOff()) as port:
        await ask(port, get("/breaks-off-silently"))
    one = await ended("/breaks-off-silently")
    assert (one["http_response_status_code"], one["error_type"]) == ("200", "broken_off")


@pytest.mark.parametrize("begins", [False, True])
async def test_a_client_that_leaves_is_no_error_of_ours(begins: bool) -> None:
    route, app = f"/left-{begins}", WaitsForItsClientToLeave(begins=begins)
    async with serving(route, app) as port:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(get(route))
        await app.is_waiting.wait()
        writer.transport.abort()
        one = await ended(route)
    assert one["error_type"] == "disconnected"
    assert one.get("http_response_status_code") == ("200" if begins else None)


async def test_what_is_answered_to_a_client_who_has_left_is_no_answer() -> None:
    is_waiting = asyncio.Event()

    async def searches(request: Request) -> Response:
        is_waiting.set()
        while (await request.receive())["type"] != "http.disconnect":
            pass
        raise ClientDisconnect

    async with serving("/left-a-search", searches) as port:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(get("/left-a-search"))
        await is_waiting.wait()
        writer.transport.abort()
        one = await ended("/left-a-search")
    assert (one.get("http_response_status_code"), one["error_type"]) == (None, "disconnected")


async def test_a_payload_that_breaks_off_is_counted_as_far_as_it_came() -> None:
    async def takes(request: Request) -> Response:
        return PlainTextResponse(str(len(await request.body())))

    before = total(ACTIVE)
    async with serving("/payload", takes, "POST") as port:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(get("/payload", "POST", "Content-Length: 1000\r\n") + bytes(10))
        await writer.drain()
        await until(lambda: asyncio.sleep(0, total(ACTIVE)), lambda now: now == before + 1)
        writer.write_eof()
        writer.transport.abort()
        one = await ended("/payload")
    assert (one.get("http_response_status_code"), one["error_type"]) == (None, "disconnected")
    assert total(ACTIVE) == before
    assert total(f"{REQUEST}_sum", http_route="/payload") <= 10


async def test_an_application_that_fails_is_told_by_the_class_of_its_error() -> None:
    async def fails(_: Request) -> Response:
        raise ValueError("DOE^JOHN")

    async with serving("/fails-measured", fails) as port:
        assert b" 500 " in await ask(port, get("/fails-measured"))
    one = await ended("/fails-measured")
    assert (one["http_response_status_code"], one["error_type"]) == ("500", "ValueError")


@pytest.mark.parametrize("status", [404, 503])
async def test_a_failure_of_ours_is_an_error_and_one_of_the_client_is_none(status: int) -> None:
    async def answers(_: Request) -> Response:
        return PlainTextResponse("no", status)

    async with serving(f"/answers-{status}", answers) as port:
        await ask(port, get(f"/answers-{status}"))
    one = await ended(f"/answers-{status}")
    assert one.get("error_type") == ("503" if status == 503 else None)


async def test_bytes_are_those_of_the_bodies() -> None:
    async def echo(request: Request) -> Response:
        return PlainTextResponse(2 * await request.body())

    async with serving("/echo-measured", echo, "POST") as port:
        sent = get("/echo-measured", "POST", "Content-Length: 5000\r\n") + bytes(5000)
        assert (await ask(port, sent)).endswith(bytes(10_000))
    assert (await ended("/echo-measured")) == {
        "http_request_method": "POST",
        "http_response_status_code": "200",
    }
    labels = {
        "http_route": "/echo-measured",
        "http_request_method": "POST",
        "http_response_status_code": "200",
    }
    assert measured(f"{REQUEST}_sum", **labels) == 5000
    assert measured(f"{RESPONSE}_sum", **labels) == 10_000
    assert measured(f"{RESPONSE}_bucket", **labels, le="1024.0") == 0
    assert measured(f"{RESPONSE}_bucket", **labels, le="16384.0") == 1


async def test_the_answer_to_head_has_no_body() -> None:
    async def page(_: Request) -> Response:
        return PlainTextResponse("x" * 100)

    async with serving("/head-measured", page) as port:
        assert (await ask(port, get("/head-measured", "HEAD"))).endswith(b"\r\n\r\n")
    assert (await ended("/head-measured"))["http_request_method"] == "HEAD"
    assert total(f"{RESPONSE}_sum", http_route="/head-measured") == 0
