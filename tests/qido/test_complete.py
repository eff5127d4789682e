"""What an origin leaves out of its studies (PS3.18 Table 10.6.3-3)."""

import asyncio

import httpx2
import pytest

from isthmus.common.dicom.attributes import tag_of
from isthmus.common.dicom.json_model import DicomJson
from isthmus.common.dicom.levels import Level
from isthmus.common.errors import AssociationAborted, OperationFailed
from isthmus.qido import complete
from tests.qido.pacs import Pacs, attributes, value_of
from tests.waiting import PATIENCE


def leave_out(pacs: Pacs, *keywords: str, level: Level = Level.STUDY) -> None:
    """Take attributes out of the matches of a level; the first has them empty."""
    for number, match in enumerate(pacs.matches[level]):
        for keyword in keywords:
            vr = match.pop(tag_of(keyword))["vr"]
            if not number:
                match[tag_of(keyword)] = {"vr": vr}


async def studies(client: httpx2.AsyncClient, query: str = "") -> list[DicomJson]:
    response = await client.get(f"studies?{query}")
    assert response.status_code == 200, response.text
    matches: list[DicomJson] = response.json()
    return matches


def summaries(matches: list[DicomJson]) -> list[tuple[object, object, object]]:
    return [
        (
            match["00080061"].get("Value"),
            value_of(match, "NumberOfStudyRelatedSeries"),
            value_of(match, "NumberOfStudyRelatedInstances"),
        )
        for match in matches
    ]


@pytest.fixture
def pacs_of_two(pacs: Pacs) -> Pacs:
    """It has two studies of two series of three instances each, and counts these."""
    pacs.holds(studies=2, series=2, instances=3)
    for number, series in enumerate(pacs.matches[Level.SERIES]):
        series.update(attributes(NumberOfSeriesRelatedInstances=3))
        if number % 2:
            series.update(attributes(Modality="SR"))
    return pacs


async def test_10_6_3_3_modalities_and_counts_are_filled_in_from_the_series(
    client: httpx2.AsyncClient, pacs_of_two: Pacs
) -> None:
    leave_out(pacs_of_two, "ModalitiesInStudy", "NumberOfStudyRelatedSeries", "NumberOfStudyRelatedInstances")
    assert summaries(await studies(client)) == [(["CT", "SR"], 2, 6)] * 2
    assert pacs_of_two.levels_asked() == [Level.STUDY, Level.SERIES, Level.SERIES]


@pytest.mark.parametrize(
    "keyword", ["ModalitiesInStudy", "NumberOfStudyRelatedSeries", "NumberOfStudyRelatedInstances"]
)
async def test_what_the_origin_says_itself_stays(
    client: httpx2.AsyncClient, pacs_of_two: Pacs, keyword: str
) -> None:
    for study in pacs_of_two.matches[Level.STUDY]:
        study.update(
            attributes(
                ModalitiesInStudy="XX", NumberOfStudyRelatedSeries=70, NumberOfStudyRelatedInstances=700
            )
        )
    leave_out(pacs_of_two, keyword)
    said = {
        "ModalitiesInStudy": ["XX"],
        "NumberOfStudyRelatedSeries": 70,
        "NumberOfStudyRelatedInstances": 700,
    }
    told = {
        "ModalitiesInStudy": ["CT", "SR"],
        "NumberOfStudyRelatedSeries": 2,
        "NumberOfStudyRelatedInstances": 6,
    }
    expected = tuple({**said, keyword: told[keyword]}.values())
    assert summaries(await studies(client)) == [expected] * 2


async def test_an_origin_that_says_all_is_asked_nothing_more(
    client: httpx2.AsyncClient, pacs_of_two: Pacs
) -> None:
    await studies(client)
    assert pacs_of_two.levels_asked() == [Level.STUDY]


async def test_only_the_studies_of_the_page_are_completed(client: httpx2.AsyncClient, pacs: Pacs) -> None:
    pacs.holds(studies=9)
    leave_out(pacs, "ModalitiesInStudy")
    matches = await studies(client, "limit=2&offset=3")
    assert [match["00080061"]["Value"] for match in matches] == [["CT"]] * 2
    asked = [query.keys[0].values[0] for query in pacs.queries if query.level is Level.SERIES]
    assert sorted(asked) == ["1.4", "1.5"]


async def test_of_a_long_list_as_many_are_completed_as_a_search_may_look_into(
    client: httpx2.AsyncClient, pacs: Pacs
) -> None:
    pacs.holds(studies=5)
    leave_out(pacs, "ModalitiesInStudy")
    matches = await studies(client)
    assert [match["00080061"].get("Value") for match in matches] == [["CT"]] * 3 + [None] * 2


async def test_a_number_of_instances_that_series_do_not_tell_is_looked_for_in_one_study_only(
    client: httpx2.AsyncClient, pacs: Pacs
) -> None:
    pacs.holds(studies=20)
    leave_out(pacs, "NumberOfStudyRelatedInstances")
    (*_, last) = await studies(client)
    assert last["00201208"] == {"vr": "IS"}
    assert len(pacs.queries) <= 1 + complete.AT_ONCE


async def test_a_study_without_series_does_not_keep_the_others_from_being_completed(
    client: httpx2.AsyncClient, pacs: Pacs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(complete, "AT_ONCE", 1)
    pacs.holds(studies=2)
    leave_out(pacs, "ModalitiesInStudy")
    del pacs.matches[Level.SERIES][0]
    assert [match["00080061"].get("Value") for match in await studies(client)] == [None, ["CT"]]


async def test_the_studies_of_series_are_completed_too_each_once(
    client: httpx2.AsyncClient, pacs_of_two: Pacs
) -> None:
    leave_out(pacs_of_two, "ModalitiesInStudy")
    response = await client.get("series")
    assert [match["00080061"]["Value"] for match in response.json()] == [["CT", "SR"]] * 4
    assert len(pacs_of_two.queries) == 1 + 2 + 2
    assert "00080061" not in (await client.get("studies/1.1/series")).json()[0]


async def test_a_study_whose_series_the_origin_refuses_to_list_stays_as_it_is(
    client: httpx2.AsyncClient, pacs: Pacs, origin_name: str
) -> None:
    pacs.holds(studies=2)
    leave_out(pacs, "ModalitiesInStudy")
    pacs.failures[Level.SERIES] = OperationFailed("C000", origin=origin_name, status=0xC000)
    assert [match["00080061"] for match in await studies(client)] == [{"vr": "CS"}] * 2


async def test_an_origin_that_breaks_off_has_failed(
    client: httpx2.AsyncClient, pacs: Pacs, origin_name: str
) -> None:
    pacs.holds(studies=2)
    leave_out(pacs, "ModalitiesInStudy")
    pacs.failures[Level.SERIES] = AssociationAborted("broke off", origin=origin_name)
    assert (await client.get("studies")).status_code == 502


async def test_a_page_waits_for_some_seconds_at_most(
    client: httpx2.AsyncClient, pacs: Pacs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(complete, "COMPLETING_SECONDS", 0.2)
    pacs.holds(studies=2)
    leave_out(pacs, "ModalitiesInStudy")
    pacs.hangs_at.add(Level.SERIES)
    assert len(await asyncio.wait_for(studies(client), PATIENCE)) == 2
