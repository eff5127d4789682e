"""An origin that is busy: when it is asked again, and when that is given up."""

import time

import pytest

from isthmus.common.errors import HttpOperationFailed
from isthmus.common.webclient import WebClient
from isthmus.common.webclient.retry import MOST_TRIES, Patience
from tests.common.webclient.web_origin import Site, says


@pytest.mark.parametrize("status", ["429 Too Many Requests", "503 Service Unavailable"])
async def test_it_is_asked_again_when_it_says(site: Site, client: WebClient, status: str) -> None:
    site.does(says(status, "", "Retry-After: 1"), says("200 OK", "[]"))
    began = time.monotonic()
    assert (await client.get_json("studies")).data_sets == []
    assert 1 <= time.monotonic() - began < 10


async def test_not_for_ever(site: Site, client: WebClient) -> None:
    site.does(says("503 Busy", "", "Retry-After: 0"))
    with pytest.raises(HttpOperationFailed) as caught:
        await client.get_json("studies")
    assert (caught.value.http_status, caught.value.retry_after) == (503, 0)
    assert len(site.requests) == MOST_TRIES


async def test_not_where_nobody_would_wait_so_long(site: Site, client: WebClient) -> None:
    site.does(says("503 Busy", "", "Retry-After: 120"))
    with pytest.raises(HttpOperationFailed) as caught:
        await client.get_json("studies")
    assert caught.value.retry_after == 120
    assert len(site.requests) == 1


def test_without_a_word_the_waits_become_longer() -> None:
    patience = Patience(60)
    waits = [patience.wait(None) for _ in range(MOST_TRIES)]
    assert waits[-1] is None
    assert all(
        low <= (wait or 0) <= high
        for wait, (low, high) in zip(waits, [(0.375, 0.625), (0.75, 1.25), (1.5, 2.5)], strict=False)
    )


def test_all_waits_together_have_an_end() -> None:
    patience = Patience(10)
    assert [patience.wait(6), patience.wait(6), patience.wait(4)] == [6, None, 4]
