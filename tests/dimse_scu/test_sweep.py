"""How a study is pulled the first time: by series, over more than one association where that may be."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pydicom
import pytest

from isthmus.common.bus import Bus
from isthmus.common.bus.jobs import Lane
from isthmus.common.messages import Retrieve
from tests.common.retrieving.facts import done, facts_of, ready
from tests.data_sets import identity, make_series
from tests.dimse_scu.conftest import Serve
from tests.pacs import AbortsAfter, Event, FailsRetrieve, FaultyPacs, FindFails, Kind, Operation, Slow


@pytest.fixture(scope="module")
def series_files(tmp_path_factory: pytest.TempPathFactory) -> list[list[Path]]:
    """The series of one study; the modality of the last says nothing about its SOP class."""
    directory = tmp_path_factory.mktemp("series")
    files = [make_series(directory, 4, seed=80)]
    study = identity(files[0][0]).study_instance_uid
    files += [make_series(directory, 4, seed=seed, study_uid=study) for seed in (81, 82)]
    for file in files[-1]:
        ds = pydicom.dcmread(file)
        ds.Modality = "ZZ"
        ds.save_as(file)
    return files


@pytest.fixture(scope="module")
def _pacs(series_files: list[list[Path]]) -> Iterator[FaultyPacs]:
    with FaultyPacs([file for files in series_files for file in files]) as pacs:
        yield pacs


@pytest.fixture
def study(series_files: list[list[Path]]) -> str:
    return identity(series_files[0][0]).study_instance_uid


@pytest.fixture
def all_uids(series_files: list[list[Path]]) -> set[str]:
    return {identity(file).sop_instance_uid for files in series_files for file in files}


def at_once(pacs: FaultyPacs) -> int:
    """How many C-GETs ran at the same time, at most."""
    running: set[int] = set()
    peak = 0
    for event in pacs.events():
        if event.kind is Kind.BEGUN and event.operation is Operation.GET:
            running.add(event.association)
        elif event.kind in (Kind.ENDED, Kind.CLOSED):
            running.discard(event.association)
        peak = max(peak, len(running))
    return peak


def asked_for(pacs: FaultyPacs) -> list[Event]:
    """The C-GETs, in their order."""
    return pacs.operations(Operation.GET)


@pytest.mark.parametrize(("associations", "pullers"), [(1, 1), (2, 1), (3, 2), (8, 2)])
async def test_one_association_is_left_for_what_is_wanted_ahead_and_two_are_enough(
    associations: int,
    pullers: int,
    bus: Bus,
    serve: Serve,
    pacs: FaultyPacs,
    origin_name: str,
    study: str,
    all_uids: set[str],
) -> None:
    await serve(origin_name, associations=associations)
    pacs.behave(Slow(seconds=0.1))
    facts = await facts_of(bus, Retrieve(origin_name, study))
    assert set(ready(facts)) == all_uids
    assert done(facts).failure is None
    assert at_once(pacs) == pullers
    assert pacs.associations_at_once() <= associations


async def test_a_job_for_which_nobody_waits_pulls_one_series_at_a_time(
    bus: Bus, serve: Serve, pacs: FaultyPacs, origin_name: str, study: str, all_uids: set[str]
) -> None:
    await serve(origin_name)
    pacs.behave(Slow(seconds=0.1))
    assert set(ready(await facts_of(bus, Retrieve(origin_name, study), Lane.BULK))) == all_uids
    assert at_once(pacs) == 1


async def test_each_series_is_asked_for_once(
    bus: Bus, serve: Serve, pacs: FaultyPacs, origin_name: str, study: str, series_files: list[list[Path]]
) -> None:
    await serve(origin_name)
    await facts_of(bus, Retrieve(origin_name, study))
    assert {ask.keys["SeriesInstanceUID"] for ask in asked_for(pacs)} == {
        identity(files[0]).series_instance_uid for files in series_files
    }
    assert len(asked_for(pacs)) == len(series_files)


async def test_one_series_that_is_wanted_is_all_that_is_pulled(
    bus: Bus, serve: Serve, pacs: FaultyPacs, origin_name: str, study: str, series_files: list[list[Path]]
) -> None:
    await serve(origin_name)
    wanted = Retrieve(origin_name, study, identity(series_files[1][0]).series_instance_uid)
    uids = {identity(file).sop_instance_uid for file in series_files[1]}
    assert set(ready(await facts_of(bus, wanted))) == uids == set(pacs.sent())


async def test_what_is_listed_is_listed_after_the_transfer_where_one_association_is_all(
    bus: Bus, serve: Serve, pacs: FaultyPacs, origin_name: str, study: str, series_files: list[list[Path]]
) -> None:
    await serve(origin_name, associations=1)
    known = [identity(files[0]).series_instance_uid for files in series_files[:-1]]
    await facts_of(bus, Retrieve(origin_name, study))
    asked = [(ask.operation, ask.keys.get("SeriesInstanceUID")) for ask in pacs.operations()]
    for series in known:
        assert asked.index((Operation.GET, series)) < asked.index((Operation.FIND, series))


async def test_a_series_whose_modality_says_nothing_is_listed_before_it_is_pulled(
    bus: Bus, serve: Serve, pacs: FaultyPacs, origin_name: str, study: str, series_files: list[list[Path]]
) -> None:
    await serve(origin_name, associations=1)
    unknown = identity(series_files[-1][0]).series_instance_uid
    await facts_of(bus, Retrieve(origin_name, study))
    asked = [ask.operation for ask in pacs.operations() if ask.keys.get("SeriesInstanceUID") == unknown]
    assert asked == [Operation.FIND, Operation.GET]


async def test_an_error_in_one_series_does_not_keep_the_others(
    bus: Bus, serve: Serve, pacs: FaultyPacs, origin_name: str, study: str, all_uids: set[str]
) -> None:
    await serve(origin_name)
    pacs.behave(AbortsAfter(instances=2, times=1), FailsRetrieve(status=0xC000, times=1))
    facts = await facts_of(bus, Retrieve(origin_name, study))
    assert set(ready(facts)) == all_uids
    assert done(facts).failure is None
    assert sorted(pacs.sent()) == sorted(all_uids)


async def test_what_comes_where_no_list_is_to_be_had_is_not_called_whole(
    bus: Bus, serve: Serve, pacs: FaultyPacs, origin_name: str, study: str
) -> None:
    await serve(origin_name)
    pacs.behave(FindFails(status=0xC001, matches=4))
    last = done(await facts_of(bus, Retrieve(origin_name, study)))
    assert last.completed >= 8
    assert last.failure is not None


async def test_jobs_that_share_one_association_all_end(
    bus: Bus, serve: Serve, pacs: FaultyPacs, origin_name: str, study: str, series_files: list[list[Path]]
) -> None:
    await serve(origin_name, associations=1)
    wanted = Retrieve(origin_name, study)
    series = Retrieve(origin_name, study, identity(series_files[0][0]).series_instance_uid)
    lanes = (facts_of(bus, series), facts_of(bus, wanted, Lane.BULK))
    for facts in await asyncio.gather(*lanes):
        assert done(facts).failure is None
    assert pacs.associations_at_once() == 1
