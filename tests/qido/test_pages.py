"""Limit, offset, what is said of the rest, and pages that follow each other (PS3.18 8.3.4.4)."""

import asyncio

import httpx2
import pytest

from isthmus.common.dicom.json_model import DicomJson
from isthmus.common.dicom.levels import Level
from isthmus.common.errors import OperationFailed
from isthmus.qido.search import COUNTED
from tests.qido.pacs import Pacs, value_of


async def found(client: httpx2.AsyncClient, url: str) -> list[DicomJson]:
    response = await client.get(url)
    assert response.status_code == 200, response.text
    matches: list[DicomJson] = response.json()
    return matches


async def uids(client: httpx2.AsyncClient, url: str, keyword: str) -> list[object]:
    return [value_of(match, keyword) for match in await found(client, url)]


async def test_8_3_4_4_limit_and_offset_cut_a_page_and_say_how_many_matches_are_beyond(
    client: httpx2.AsyncClient, pacs: Pacs, origin_name: str
) -> None:
    pacs.holds(studies=5)
    response = await client.get("studies?limit=2&offset=1")
    assert [value_of(match, "StudyInstanceUID") for match in response.json()] == ["1.2", "1.3"]
    assert response.headers["warning"] == (
        f"299 http://gateway:8080/aets/{origin_name}: There are 2 additional results that can be requested"
    )


async def test_8_3_4_4_a_limit_of_nothing_counts(client: httpx2.AsyncClient, pacs: Pacs) -> None:
    pacs.holds(studies=5)
    response = await client.get("studies?limit=0")
    assert (response.status_code, response.json()) == (200, [])
    assert "There are 5 additional results" in response.headers["warning"]


async def test_8_3_4_4_of_many_matches_it_is_not_said_how_many_they_are(
    client: httpx2.AsyncClient, pacs: Pacs
) -> None:
    pacs.holds(studies=COUNTED + 12)
    response = await client.get("studies?limit=10")
    assert "There are additional results" in response.headers["warning"]
    response = await client.get("studies?limit=12")
    assert f"There are {COUNTED} additional results" in response.headers["warning"]


async def test_nobody_waits_for_an_origin_that_lets_itself_be_waited_for_with_the_count(
    client: httpx2.AsyncClient, pacs: Pacs
) -> None:
    pacs.holds(studies=3)
    pacs.hangs = True
    response = await asyncio.wait_for(client.get("studies?limit=1"), 3)
    assert [value_of(match, "StudyInstanceUID") for match in response.json()] == ["1.1"]
    assert "There are additional results" in response.headers["warning"]


async def test_a_failure_beyond_the_page_is_none_of_it(
    client: httpx2.AsyncClient, pacs: Pacs, origin_name: str
) -> None:
    pacs.holds(studies=3)
    pacs.failures[Level.STUDY] = OperationFailed("out of resources", origin=origin_name, status=0xA700)
    response = await client.get("studies?limit=1")
    assert response.status_code == 200
    assert "There are additional results" in response.headers["warning"]


async def test_what_comes_by_many_queries_is_not_counted(client: httpx2.AsyncClient, pacs: Pacs) -> None:
    pacs.holds(studies=4, series=2)
    response = await client.get("series?limit=1")
    assert "There are additional results" in response.headers["warning"]
    assert len(pacs.queries) < 1 + 4


@pytest.mark.parametrize(
    ("query", "count"), [("limit=5", 5), ("offset=3", 2), ("limit=2&offset=3", 2), ("offset=9", 0)]
)
async def test_the_last_page_has_no_warning(
    client: httpx2.AsyncClient, pacs: Pacs, query: str, count: int
) -> None:
    pacs.holds(studies=5)
    response = await client.get(f"studies?{query}")
    assert len(response.json()) == count
    assert "warning" not in response.headers


async def test_limit_and_offset_count_over_the_parents(client: httpx2.AsyncClient, pacs: Pacs) -> None:
    pacs.holds(studies=3, series=2)
    assert await uids(client, "series?limit=2&offset=3", "SeriesInstanceUID") == ["1.2.2", "1.3.1"]


async def test_no_answer_is_longer_than_the_server_s_own_limit(
    client: httpx2.AsyncClient, pacs: Pacs
) -> None:
    pacs.holds(studies=25)
    for query in ("", "?limit=1000"):
        response = await client.get(f"studies{query}")
        assert len(response.json()) == 20
        assert "There are 5 additional results" in response.headers["warning"]


async def test_a_search_is_cancelled_when_the_limit_is_reached(
    client: httpx2.AsyncClient, pacs: Pacs
) -> None:
    pacs.holds(studies=3)
    pacs.hangs = True
    assert await uids(client, "studies?limit=2", "StudyInstanceUID") == ["1.1", "1.2"]
    await asyncio.wait_for(pacs.cancelled.wait(), 5)
