"""An origin that is away: whoever asks hears so at once, and it is asked now and then whether it is back."""

import asyncio

import pytest

from isthmus.common.breaker import FAILURES
from isthmus.common.errors import (
    CircuitOpen,
    HttpOperationFailed,
    OriginError,
    OriginTimeout,
    OriginUnreachable,
)
from isthmus.common.webclient import WebClient
from tests.common.webclient.web_origin import Behaviour, Site, origin_at, says, writes, writes_then_is_silent
from tests.peers import free_port


async def failure(client: WebClient) -> type[BaseException] | None:
    """Search, and tell how that fails."""
    try:
        await client.get_json("studies")
    except OriginError as error:
        return type(error)
    return None


async def test_where_nobody_listens_it_is_soon_left_alone_until_somebody_does(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port()
    async with WebClient(origin_at(f"http://127.0.0.1:{port}/dicom-web")) as client:
        failures = [await failure(client) for _ in range(FAILURES + 2)]
        assert failures == [OriginUnreachable] * FAILURES + [CircuitOpen] * 2
        monkeypatch.setattr("isthmus.common.breaker.monotonic", lambda: float("inf"))  # two seconds later
        server = await asyncio.start_server(site.accept, "127.0.0.1", port)
        async with server:
            assert [await failure(client) for _ in range(2)] == [None, None]


async def test_whoever_stands_in_line_for_an_origin_that_is_silent_hears_of_it_too(site: Site) -> None:
    site.does(writes_then_is_silent())
    async with WebClient(origin_at(site.url, timeout_seconds=1, connections=1)) as client:
        failures = await asyncio.gather(*(failure(client) for _ in range(FAILURES + 5)))
    assert failures == [OriginTimeout] * FAILURES + [CircuitOpen] * 5


@pytest.mark.parametrize(
    "behaviour", [says("500 Internal Server Error"), says("404 Not Found"), writes(b"", ends=True)]
)
async def test_one_that_answers_badly_is_there(site: Site, client: WebClient, behaviour: Behaviour) -> None:
    site.does(behaviour)
    failures = {await failure(client) for _ in range(2 * FAILURES)}
    assert failures <= {HttpOperationFailed, OriginUnreachable}
    site.does(says("200 OK", "[]"))
    assert await failure(client) is None


async def test_an_answer_in_between_begins_the_count_anew(site: Site) -> None:
    silent = writes_then_is_silent()
    site.does(*[silent, silent, says("200 OK", "[]")] * 2, says("200 OK", "[]"))
    async with WebClient(origin_at(site.url, timeout_seconds=1)) as client:
        assert [await failure(client) for _ in range(6)] == [OriginTimeout, OriginTimeout, None] * 2
