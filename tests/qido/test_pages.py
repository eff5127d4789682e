"""Limit, offset, what is said of the rest, and pages that follow each other (PS3.18 8.3.4.4)."""

import asyncio
import re
from pathlib import Path
from random import Random

import httpx2
import pytest
from nats.js.kv import KeyValue

from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus
from isthmus.common.bus.streams import PAGES_BUCKET
from isthmus.common.config import DimseOrigin, Settings
from isthmus.common.config.settings import Nats
from isthmus.common.dicom.json_model import DicomJson
from isthmus.common.dicom.levels import Level
from isthmus.common.errors import OperationFailed
from isthmus.common.service import Parts
from isthmus.common.service.server import application
from isthmus.dimse_scu.worker import worker
from isthmus.qido import pages, routes
from isthmus.qido.search import COUNTED
from tests.data_sets import make_series
from tests.pacs import FaultyPacs, Shuffles
from tests.qido.pacs import Pacs, attributes, value_of
from tests.waiting import PATIENCE


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
    response = await asyncio.wait_for(client.get("studies?limit=1"), 20)  # less than the origin has
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
    await asyncio.wait_for(pacs.cancelled.wait(), PATIENCE)


async def all_pages(client: httpx2.AsyncClient, path: str, keyword: str, size: int) -> list[object]:
    """Give what all pages have, one after the other."""
    seen: list[object] = []
    while page := await uids(client, f"{path}limit={size}&offset={len(seen)}", keyword):
        seen += page
    return seen


@pytest.fixture
def shuffled(pacs: Pacs) -> Pacs:
    """An origin that answers in another order each time."""
    pacs.dice = Random(7)
    return pacs


@pytest.mark.parametrize("size", [1, 7, 20])
async def test_8_3_4_4_pages_have_every_match_once_though_their_order_is_another_each_time(
    client: httpx2.AsyncClient, shuffled: Pacs, size: int
) -> None:
    shuffled.holds(studies=45)
    found = await all_pages(client, "studies?", "StudyInstanceUID", size)
    assert sorted(map(str, found)) == sorted(f"1.{number}" for number in range(1, 46))


async def test_pages_of_what_comes_by_many_queries_too(client: httpx2.AsyncClient, shuffled: Pacs) -> None:
    shuffled.holds(studies=3, series=5)
    found = await all_pages(client, "series?", "SeriesInstanceUID", 4)
    assert sorted(map(str, found)) == sorted(
        str(value_of(series, "SeriesInstanceUID")) for series in shuffled.matches[Level.SERIES]
    )


async def test_a_later_page_is_the_same_when_it_is_asked_for_again(
    client: httpx2.AsyncClient, shuffled: Pacs
) -> None:
    shuffled.holds(studies=20)
    given = [
        await uids(client, f"studies?limit=5&offset={offset}", "StudyInstanceUID") for offset in (0, 5, 10)
    ]
    for offset in (10, 5, 10):
        again = await uids(client, f"studies?limit=5&offset={offset}", "StudyInstanceUID")
        assert again == given[offset // 5]
    both = await uids(client, "studies?limit=10&offset=5", "StudyInstanceUID")
    assert both == given[1] + given[2]


async def test_the_order_is_kept_whatever_is_returned_and_of_each_search_for_itself(
    client: httpx2.AsyncClient, shuffled: Pacs
) -> None:
    shuffled.holds(studies=20)
    first = await uids(client, "studies?limit=10", "StudyInstanceUID")
    await uids(client, "studies?limit=10&PatientName=Doe*", "StudyInstanceUID")
    second = await uids(
        client, "studies?offset=10&includefield=StudyDescription&limit=15", "StudyInstanceUID"
    )
    assert len({*first, *second}) == 20


async def test_what_is_new_or_gone_between_two_pages_moves_nothing(
    client: httpx2.AsyncClient, pacs: Pacs
) -> None:
    pacs.holds(studies=12)
    first = await uids(client, "studies?limit=5", "StudyInstanceUID")
    pacs.matches[Level.STUDY].insert(0, pacs.matches[Level.STUDY].pop())  # 1.12 was written to
    del pacs.matches[Level.STUDY][3]  # 1.3
    second = await uids(client, "studies?limit=5&offset=5", "StudyInstanceUID")
    third = await uids(client, "studies?limit=5&offset=10", "StudyInstanceUID")
    assert [*first, *second, *third] == [*(f"1.{n}" for n in (1, 2, 3, 4, 5, 12, 6, 7, 8, 9, 10, 11))]


async def test_a_page_that_has_lost_a_match_has_the_next_one(client: httpx2.AsyncClient, pacs: Pacs) -> None:
    pacs.holds(studies=12)
    for offset in (0, 4):
        await uids(client, f"studies?limit=4&offset={offset}", "StudyInstanceUID")
    del pacs.matches[Level.STUDY][5]  # 1.6
    second = await uids(client, "studies?limit=4&offset=4", "StudyInstanceUID")
    third = await uids(client, "studies?limit=4&offset=8", "StudyInstanceUID")
    assert [*second, *third] == ["1.5", "1.7", "1.8", "1.9", "1.10", "1.11", "1.12"]


async def test_one_study_of_two_patients_is_there_for_each_of_them(
    client: httpx2.AsyncClient, pacs: Pacs
) -> None:
    pacs.holds(studies=3)
    pacs.matches[Level.STUDY].insert(1, attributes(StudyInstanceUID="1.1", PatientName="Other"))
    found = await all_pages(client, "studies?", "StudyInstanceUID", 1)
    assert found == ["1.1", "1.1", "1.2", "1.3"]


async def test_the_first_page_is_the_origin_s_own_each_time(client: httpx2.AsyncClient, pacs: Pacs) -> None:
    pacs.holds(studies=6)
    await uids(client, "studies?limit=3", "StudyInstanceUID")
    pacs.matches[Level.STUDY].insert(0, attributes(StudyInstanceUID="1.9"))
    assert await uids(client, "studies?limit=3", "StudyInstanceUID") == ["1.9", "1.1", "1.2"]
    assert await uids(client, "studies?limit=3&offset=3", "StudyInstanceUID") == ["1.3", "1.4", "1.5"]


async def test_who_begins_anew_does_not_disturb_who_is_further_on(
    client: httpx2.AsyncClient, pacs: Pacs
) -> None:
    pacs.holds(studies=20)
    for offset in (0, 5, 0):
        await uids(client, f"studies?limit=5&offset={offset}", "StudyInstanceUID")
    pacs.matches[Level.STUDY].reverse()
    third = await uids(client, "studies?limit=5&offset=10", "StudyInstanceUID")
    assert third == ["1.20", "1.19", "1.18", "1.17", "1.16"]


async def test_another_replica_goes_on_with_the_same_pages(
    client: httpx2.AsyncClient, shuffled: Pacs, nats_settings: Nats, unused_blobs: BlobStore
) -> None:
    shuffled.holds(studies=20)
    first = await uids(client, "studies?limit=10", "StudyInstanceUID")
    name = client.base_url.path.split("/")[2]
    bus = await Bus.connect(nats_settings, "replica")
    try:
        settings = Settings(origins=(DimseOrigin(name=name, ae_title="PACS", port=104),))
        transport = httpx2.ASGITransport(application(routes(Parts(settings, bus, unused_blobs))))
        async with httpx2.AsyncClient(transport=transport, base_url=client.base_url) as other:
            second = await uids(other, "studies?limit=10&offset=10", "StudyInstanceUID")
    finally:
        await bus.close()
    assert len({*first, *second}) == 20


async def test_nothing_that_is_kept_names_a_patient_or_a_study(
    client: httpx2.AsyncClient, pacs: Pacs, bus: Bus
) -> None:
    pacs.matches[Level.STUDY] += [
        attributes(StudyInstanceUID=f"1.2.840.{number}", PatientName="Doe^Jane") for number in range(5)
    ]
    subscription = await bus.client.subscribe(f"$KV.{PAGES_BUCKET}.>")
    await client.get("studies?limit=2&PatientName=Doe*")
    kept = await subscription.next_msg(5)
    assert re.fullmatch(rf"\$KV\.{PAGES_BUCKET}\.[0-9a-f]{{40}}", kept.subject)
    assert len(kept.data) == 16
    for secret in (b"Doe", b"1.2.840"):
        assert secret not in kept.data


async def test_without_what_was_kept_a_page_is_cut_out_of_the_origin_s_order(
    client: httpx2.AsyncClient, pacs: Pacs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "PAGES_BUCKET", "NOWHERE")
    pacs.holds(studies=12)
    found = await all_pages(client, "studies?", "StudyInstanceUID", 5)
    assert found == [f"1.{number}" for number in range(1, 13)]


async def test_the_first_page_waits_for_nothing_that_is_kept(
    client: httpx2.AsyncClient, pacs: Pacs, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def hang(*_: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(KeyValue, "get", hang)
    monkeypatch.setattr(pages, "RECALL_SECONDS", 600)
    pacs.holds(studies=12)
    assert await asyncio.wait_for(uids(client, "studies?limit=12", "StudyInstanceUID"), PATIENCE)
    monkeypatch.setattr(pages, "RECALL_SECONDS", 0.1)
    assert await uids(client, "studies?limit=4&offset=4", "StudyInstanceUID") == ["1.5", "1.6", "1.7", "1.8"]


async def test_what_is_beyond_the_memory_is_cut_out_of_the_origin_s_order(
    client: httpx2.AsyncClient, pacs: Pacs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "REMEMBERED", 3)
    pacs.holds(studies=12)
    found = await all_pages(client, "studies?", "StudyInstanceUID", 5)
    assert found == [f"1.{number}" for number in range(1, 13)]


async def test_a_page_far_away_costs_no_memory_for_what_is_before_it(
    client: httpx2.AsyncClient, pacs: Pacs
) -> None:
    pacs.holds(studies=12)
    assert await uids(client, f"studies?limit=4&offset={10**17}", "StudyInstanceUID") == []
    assert await uids(client, "studies?limit=4&offset=10", "StudyInstanceUID") == ["1.11", "1.12"]


async def test_pages_of_a_pacs_that_shuffles(
    bus: Bus, unused_blobs: BlobStore, origin_name: str, tmp_path: Path
) -> None:
    files = [file for seed in range(20) for file in make_series(tmp_path, 1, seed=seed)]
    with FaultyPacs(files, Shuffles()) as pacs:
        origin = DimseOrigin(name=origin_name, ae_title=pacs.peer.ae_title, port=pacs.peer.port)
        parts = Parts(Settings(origins=(origin,)), bus, unused_blobs)
        transport = httpx2.ASGITransport(application(routes(parts)))
        async with (
            worker(parts),
            httpx2.AsyncClient(transport=transport, base_url=f"http://gateway/aets/{origin_name}/") as http,
        ):
            found = await all_pages(http, "studies?", "StudyInstanceUID", 6)
    assert len(found) == len(set(found)) == 20
