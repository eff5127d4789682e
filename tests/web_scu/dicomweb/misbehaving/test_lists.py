"""Retrieving from a DICOMweb server whose lists of series and instances cannot be had, or believed."""

import asyncio
import json
from pathlib import Path

import pytest

from isthmus.common.bus import Bus
from isthmus.common.errors import OriginCancelled
from isthmus.common.messages import Retrieve
from isthmus.common.retrieving import retrieve
from tests.common.retrieving.facts import done, facts_of, following
from tests.common.webclient.web_origin import Behaviour, says, writes_then_is_silent
from tests.data_sets import identity, make_series
from tests.web_scu.dicomweb.conftest import Serve
from tests.web_scu.dicomweb.holding import Holding

HTML = says("200 OK", "<html>Please log in</html>", kind="text/html")


@pytest.mark.parametrize("behaviour", [HTML, says("500 Internal Server Error"), says("200 OK", "[1]")])
async def test_a_list_that_cannot_be_had_is_no_empty_list(
    bus: Bus, holding: Holding, study: Retrieve, series: str, behaviour: Behaviour
) -> None:
    holding.does(f"{series}/instances", behaviour)
    end = done(await facts_of(bus, study))
    assert end.unlisted
    assert end.failure is not None


async def test_a_series_that_no_url_can_name_is_not_listed_and_that_is_said(
    bus: Bus, holding: Holding, study: Retrieve
) -> None:
    path = f"studies/{study.study}/series"
    listed = holding.listed(path)
    listed[0]["0020000E"] = {"vr": "UI", "Value": ["1.2/../3"]}
    holding.does(path, says("200 OK", json.dumps(listed)))
    end = done(await facts_of(bus, study))
    assert (end.completed, end.unlisted) == (0, True)
    assert end.failure is not None
    assert holding.retrieved == []


@pytest.mark.parametrize("listing", ["series", "instances"])
async def test_a_list_that_is_waited_for_ends_when_nobody_waits_any_more(
    bus: Bus,
    serve: Serve,
    origin_name: str,
    holding: Holding,
    images: list[Path],
    listing: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(retrieve, "INTEREST_SECONDS", 0.2)
    monkeypatch.setattr(retrieve, "CANCEL_SECONDS", 20.0)
    await serve(origin_name, holding.url, timeout_seconds=60)
    one = identity(images[0])
    study = f"studies/{one.study_instance_uid}"
    path = f"{study}/series" if listing == "series" else f"{study}/series/{one.series_instance_uid}/instances"
    holding.does(path, writes_then_is_silent())
    async with following(bus, Retrieve(origin_name, one.study_instance_uid), interested=False) as facts:
        async with asyncio.timeout(retrieve.CANCEL_SECONDS):
            end = done([fact async for fact in facts])
            await holding.site.ended.wait()
    assert end.failure is not None
    assert isinstance(end.failure.error(), OriginCancelled)


async def test_a_list_of_which_the_second_page_is_not_there_is_no_list(
    bus: Bus, holding: Holding, study: Retrieve, series: str
) -> None:
    listed = holding.listed(f"{series}/instances")
    first = says("200 OK", json.dumps(listed[:3]), "Warning: 299 here: There are additional results")
    holding.does(f"{series}/instances", first, says("404 Not Found"))
    end = done(await facts_of(bus, study))
    assert end.unlisted
    assert end.failure is not None


async def test_a_server_that_is_silent_about_one_series_is_not_asked_to_list_the_others(
    bus: Bus, serve: Serve, origin_name: str, tmp_path: Path
) -> None:
    first = make_series(tmp_path, 1, seed=903)
    study_uid = identity(first[0]).study_instance_uid
    more = [
        file for seed in (904, 905, 906) for file in make_series(tmp_path, 1, seed=seed, study_uid=study_uid)
    ]
    async with Holding.of([*first, *more]) as holding:
        await serve(origin_name, holding.url, timeout_seconds=5)
        for file in (*first, *more):
            series = f"studies/{study_uid}/series/{identity(file).series_instance_uid}"
            holding.does(f"{series}/instances", writes_then_is_silent())
        end = done(await facts_of(bus, Retrieve(origin_name, study_uid)))
        lists = [path for path in holding.asked if path.endswith("/instances")]
    assert (end.completed, end.unlisted, len(lists)) == (4, True, 1)
