"""What the numbers say of answers that did not come to their end."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager

import httpx2
import pytest
from starlette.requests import Request

from isthmus.common.access import PublicRoute
from isthmus.common.errors import OriginTimeout
from isthmus.wado.answers.streamed import Body, Streamed, nothing
from tests.measured import told
from tests.wado.serving import serving
from tests.waiting import until

SECONDS = "http_server_request_duration_seconds_count"


@asynccontextmanager
async def fails_later(_: Request) -> AsyncIterator[Body]:
    async def chunks() -> AsyncGenerator[bytes, None]:
        yield b"the first instance"
        raise OriginTimeout("silent", origin="pacs")

    yield Body({"Content-Type": "multipart/related"}, chunks())


async def test_an_answer_that_we_broke_off_is_not_one_that_its_client_left() -> None:
    route = "/broken-off-by-us"
    async with serving([PublicRoute(route, Streamed(fails_later))]) as url, httpx2.AsyncClient() as client:
        with pytest.raises(httpx2.RemoteProtocolError):
            await client.get(f"{url}{route}")
    (one,) = told(SECONDS, http_route=route)
    assert (one["http_response_status_code"], one["error_type"]) == ("200", "broken_off")


async def test_a_client_that_leaves_before_the_first_instance_is_there_is_no_error_of_ours() -> None:
    is_asked = asyncio.Event()

    @asynccontextmanager
    async def has_nothing_yet(_: Request) -> AsyncIterator[Body]:
        is_asked.set()
        await asyncio.Event().wait()
        yield Body({}, nothing())

    route = "/left-by-its-client"
    async with serving([PublicRoute(route, Streamed(has_nothing_yet))]) as url:
        async with httpx2.AsyncClient(timeout=None) as client:
            asking = asyncio.create_task(client.get(f"{url}{route}"))
            await is_asked.wait()
            asking.cancel()
            await asyncio.wait([asking])
        (one,) = await until(lambda: asyncio.sleep(0, told(SECONDS, http_route=route)))
    assert one == {"http_request_method": "GET", "error_type": "disconnected"}
