"""What a viewer wants now does not wait behind the rest of its study."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from isthmus.common.bus import Bus, subjects
from isthmus.common.bus.jobs import Lane
from isthmus.common.errors import NoWorker
from isthmus.common.messages import Ahead, AheadTaken, InstanceReady, Retrieve, RetrieveFact, RetrieveStarted
from tests.common.retrieving.facts import done, facts_of, following, ready
from tests.data_sets import Identity, identity, make_series
from tests.dimse_scu.conftest import Serve
from tests.pacs import FailsRetrieve, FaultyPacs, Operation, Slow

SLOW = Slow(seconds=0.25)


@pytest.fixture(scope="module")
def instances(tmp_path_factory: pytest.TempPathFactory) -> list[Identity]:
    """Of a study of three series of 6 instances."""
    return [identity(file) for file in _files(tmp_path_factory.mktemp("ahead"))]


def _files(directory: Path) -> list[Path]:
    first = make_series(directory, 6, seed=90)
    study = identity(first[0]).study_instance_uid
    return [
        *first,
        *(file for seed in (91, 92) for file in make_series(directory, 6, seed=seed, study_uid=study)),
    ]


@pytest.fixture(scope="module")
def _pacs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FaultyPacs]:
    with FaultyPacs(_files(tmp_path_factory.mktemp("held"))) as pacs:
        yield pacs


@pytest.fixture
def wanted(origin_name: str, instances: list[Identity]) -> Retrieve:
    """The whole study."""
    return Retrieve(origin_name, instances[0].study_instance_uid)


async def ask(bus: Bus, wanted: Retrieve, series: str, instance: str | None = None) -> None:
    """Ask as a reader does."""
    await bus.request(subjects.ahead(wanted.origin, wanted.study), Ahead(series, instance), AheadTaken)


async def order(
    facts: AsyncIterator[RetrieveFact], bus: Bus, wanted: Retrieve, *first: str | None
) -> list[str]:
    """Ask for something ahead when the job has brought one instance, and give the order in which all come."""
    series, instance = [*first, None][:2]
    found: list[RetrieveFact] = []
    async for fact in facts:
        found.append(fact)
        if len(ready(found)) == 1 and isinstance(fact, InstanceReady):
            await ask(bus, wanted, series or "", instance)
    assert done(found).failure is None
    return ready(found)


@pytest.mark.parametrize("lane", Lane)
async def test_an_instance_comes_ahead_of_its_series(
    lane: Lane, bus: Bus, serve: Serve, pacs: FaultyPacs, wanted: Retrieve, instances: list[Identity]
) -> None:
    await serve(wanted.origin)
    pacs.behave(SLOW)
    last = instances[-1]
    async with following(bus, wanted, lane) as facts:
        came = await order(facts, bus, wanted, last.series_instance_uid, last.sop_instance_uid)
    assert came.index(last.sop_instance_uid) <= 6
    assert sorted(came) == sorted(one.sop_instance_uid for one in instances)


async def test_a_series_that_is_not_yet_begun_comes_ahead_of_the_others(
    bus: Bus, serve: Serve, pacs: FaultyPacs, wanted: Retrieve, instances: list[Identity]
) -> None:
    await serve(wanted.origin)
    pacs.behave(SLOW)
    series = instances[-1].series_instance_uid
    async with following(bus, wanted, Lane.BULK) as facts:
        came = await order(facts, bus, wanted, series)
    ahead = {one.sop_instance_uid for one in instances[-6:]}
    behind = {one.sop_instance_uid for one in instances[6:12]}
    assert max(map(came.index, ahead)) < max(map(came.index, behind))
    assert sorted(pacs.sent()) == sorted(came)  # nothing was sent twice


async def test_with_one_association_it_goes_next_after_the_series_that_is_on_its_way(
    bus: Bus, serve: Serve, pacs: FaultyPacs, wanted: Retrieve, instances: list[Identity]
) -> None:
    await serve(wanted.origin, associations=1)
    pacs.behave(Slow(seconds=0.1))
    last = instances[-1]
    async with following(bus, wanted) as facts:
        came = await order(facts, bus, wanted, last.series_instance_uid, last.sop_instance_uid)
    assert came.index(last.sop_instance_uid) == 6
    assert pacs.associations_at_once() == 1


async def test_what_is_here_is_not_asked_for_again(
    bus: Bus, serve: Serve, pacs: FaultyPacs, wanted: Retrieve, instances: list[Identity]
) -> None:
    await serve(wanted.origin)
    pacs.behave(SLOW)
    async with following(bus, wanted, Lane.BULK) as facts:
        first = instances[0]
        await order(facts, bus, wanted, first.series_instance_uid, first.sop_instance_uid)
    assert {ask.level for ask in pacs.operations(Operation.GET)} == {"SERIES"}


@pytest.mark.parametrize(("known", "instance"), [(False, None), (False, "1.2.3"), (True, "1.2.3")])
async def test_what_does_not_exist_does_no_harm(
    known: bool,
    instance: str | None,
    bus: Bus,
    serve: Serve,
    pacs: FaultyPacs,
    wanted: Retrieve,
    instances: list[Identity],
) -> None:
    await serve(wanted.origin)
    pacs.behave(SLOW)
    series = instances[-1].series_instance_uid if known else "1.2.3.4"
    async with following(bus, wanted) as facts:
        assert len(await order(facts, bus, wanted, series, instance)) == len(instances)


async def test_what_fails_ahead_comes_with_the_rest(
    bus: Bus, serve: Serve, pacs: FaultyPacs, wanted: Retrieve, instances: list[Identity]
) -> None:
    await serve(wanted.origin)
    pacs.behave(Slow(seconds=0.1), FailsRetrieve(status=0xC000, levels=["IMAGE"]))
    last = instances[-1]
    async with following(bus, wanted) as facts:
        came = await order(facts, bus, wanted, last.series_instance_uid, last.sop_instance_uid)
    assert sorted(came) == sorted(one.sop_instance_uid for one in instances)


async def test_who_reads_that_a_job_has_started_can_ask(
    bus: Bus, serve: Serve, pacs: FaultyPacs, wanted: Retrieve, instances: list[Identity]
) -> None:
    await serve(wanted.origin)
    last = instances[-1]
    async with following(bus, wanted) as facts:
        async for fact in facts:
            if isinstance(fact, RetrieveStarted):
                await ask(bus, wanted, last.series_instance_uid, last.sop_instance_uid)
    assert done([fact]).completed == len(instances)


async def test_nobody_answers_when_the_job_has_ended(bus: Bus, serve: Serve, wanted: Retrieve) -> None:
    await serve(wanted.origin)
    await facts_of(bus, wanted)
    with pytest.raises(NoWorker):
        await ask(bus, wanted, "1.2.3")
