"""What an earlier job brought is not asked for again, unless the origin says that it is not the same."""

import asyncio
from pathlib import Path

import pytest

from isthmus.common.blobs import BlobStore, manifest_key
from isthmus.common.bus import Bus
from isthmus.common.bus.jobs import Lane
from isthmus.common.errors import StoreUnavailable
from isthmus.common.messages import InstanceReady, Retrieve, RetrieveStarted, SeriesDone
from isthmus.common.retrieval import Catalogue, Manifest
from tests.common.retrieving.facts import done, facts_of, following, held, ready
from tests.data_sets import identity, make_series
from tests.dimse_scu.changing import Changing, names
from tests.dimse_scu.conftest import Serve
from tests.pacs import (
    CountsWrongly,
    FailsSuboperations,
    FaultyPacs,
    FindFails,
    Kind,
    Operation,
    SendsAnother,
    SendsOtherBytes,
    Slow,
)


async def manifest_of(blobs: BlobStore, wanted: Retrieve) -> Manifest:
    manifest = await Catalogue(blobs).load(wanted.origin, wanted.study)
    assert manifest is not None
    return manifest


async def keys(blobs: BlobStore, wanted: Retrieve) -> set[str]:
    return {listed.key async for listed in blobs.list(f"held/{wanted.origin}/")}


async def test_what_is_held_and_unchanged_costs_one_query(
    bus: Bus, wanted: Retrieve, pacs: FaultyPacs, study: str
) -> None:
    first = done(await facts_of(bus, wanted))
    assert (first.completed, first.confirmed, first.failure) == (12, False, None)
    pacs.forget()
    started, last = await facts_of(bus, wanted)
    assert isinstance(started, RetrieveStarted)
    assert done([last]).confirmed
    (query,) = pacs.operations()
    assert (query.operation, query.level) == (Operation.FIND, "SERIES")


async def test_what_is_confirmed_was_checked_just_now(bus: Bus, blobs: BlobStore, wanted: Retrieve) -> None:
    await facts_of(bus, wanted)
    before = await manifest_of(blobs, wanted)
    await facts_of(bus, wanted)
    after = await manifest_of(blobs, wanted)
    assert before.checked is not None
    assert after.checked is not None
    assert after.checked > before.checked
    assert after.covers(wanted, after.checked)
    assert not before.covers(wanted, after.checked)


async def test_an_origin_that_counts_nothing_is_asked_for_the_instances(
    bus: Bus, wanted: Retrieve, pacs: FaultyPacs
) -> None:
    pacs.behave(CountsWrongly(count=None))
    await facts_of(bus, wanted)
    pacs.forget()
    assert done(await facts_of(bus, wanted)).confirmed
    assert [query.level for query in pacs.operations()] == ["SERIES", "IMAGE"]


async def test_new_instances_alone_are_fetched(
    bus: Bus, changed: Retrieve, changing: Changing, two_series: list[Path]
) -> None:
    changing.holds(two_series[:-2])
    await facts_of(bus, changed)
    pacs = changing.holds(two_series)
    facts = await facts_of(bus, changed)
    assert set(ready(facts)) == names(two_series[-2:]) == set(pacs.sent())
    assert set(held(facts)) == names(two_series[:-2])
    assert done(facts).completed == len(two_series)


async def test_a_new_series_alone_is_fetched(
    bus: Bus, changed: Retrieve, changing: Changing, two_series: list[Path]
) -> None:
    changing.holds(two_series[:4])
    await facts_of(bus, changed)
    pacs = changing.holds(two_series)
    assert set(ready(await facts_of(bus, changed))) == names(two_series[4:]) == set(pacs.sent())


async def test_instances_that_are_gone_at_the_origin_are_gone_here(
    bus: Bus, blobs: BlobStore, changed: Retrieve, changing: Changing, two_series: list[Path]
) -> None:
    await facts_of(bus, changed)
    pacs = changing.holds(two_series[1:])
    facts = await facts_of(bus, changed)
    assert set(held(facts)) == names(two_series[1:])
    assert done(facts).failure is None
    assert pacs.sent() == []
    assert len(await keys(blobs, changed)) == len(two_series) - 1
    assert done(await facts_of(bus, changed)).confirmed


async def test_a_series_that_is_gone_at_the_origin_is_gone_here(
    bus: Bus, blobs: BlobStore, changed: Retrieve, changing: Changing, two_series: list[Path]
) -> None:
    await facts_of(bus, changed)
    changing.holds(two_series[:4])
    assert done(await facts_of(bus, changed)).confirmed
    assert len((await manifest_of(blobs, changed)).series) == 1
    assert len(await keys(blobs, changed)) == 4


async def test_a_study_that_is_gone_at_the_origin_is_gone_here(
    bus: Bus, blobs: BlobStore, changed: Retrieve, changing: Changing, two_series: list[Path], tmp_path: Path
) -> None:
    await facts_of(bus, changed)
    changing.holds(make_series(tmp_path, 1, seed=72))
    last = done(await facts_of(bus, changed))
    assert (last.completed, last.missing, last.failure, last.confirmed) == (0, (), None, False)
    assert await Catalogue(blobs).load(changed.origin, changed.study) is None
    assert await keys(blobs, changed) == set()


@pytest.mark.parametrize("matches", [0, 5])
async def test_a_list_that_fails_takes_nothing_away(
    matches: int, bus: Bus, blobs: BlobStore, wanted: Retrieve, pacs: FaultyPacs
) -> None:
    await facts_of(bus, wanted)
    pacs.behave(CountsWrongly(count=None), FindFails(status=0xC001, matches=matches))
    assert done(await facts_of(bus, wanted)).failure is not None
    (series,) = (await manifest_of(blobs, wanted)).series
    assert len(series.instances) == 12
    pacs.behave()
    assert done(await facts_of(bus, wanted)).confirmed


async def test_of_a_transfer_that_broke_off_the_next_job_fetches_the_rest(
    bus: Bus, serve: Serve, changed: Retrieve, changing: Changing, two_series: list[Path]
) -> None:
    pacs = changing.now
    pacs.behave(Slow(seconds=0.3))
    first: list[str] = []
    async with following(bus, changed) as facts:
        async for fact in facts:
            first += ready([fact])
            if len(first) == 3:
                pacs.kill()
    assert done([fact]).failure is not None
    pacs = changing.holds(two_series)
    again = await facts_of(bus, changed)
    assert set(pacs.sent()) == names(two_series) - set(first)
    assert set(held(again)) == set(first)
    assert done(again).completed == len(two_series)


async def test_what_a_cancelled_job_brought_is_not_fetched_again(
    bus: Bus, wanted: Retrieve, pacs: FaultyPacs, uids: list[str]
) -> None:
    pacs.behave(Slow(seconds=0.4))
    async with following(bus, wanted, until=InstanceReady) as facts:
        cancelled = [fact async for fact in facts]
    failure = done(cancelled).failure
    assert failure is not None
    assert failure.kind == "OriginCancelled"
    assert 0 < len(ready(cancelled)) < len(uids)
    pacs.forget()
    pacs.behave()
    await facts_of(bus, wanted)
    assert set(pacs.sent()) == set(uids) - set(ready(cancelled))


async def test_a_bulk_job_asks_nobody_whether_somebody_waits(
    bus: Bus, wanted: Retrieve, pacs: FaultyPacs, uids: list[str]
) -> None:
    pacs.behave(Slow(seconds=0.4))
    async with following(bus, wanted, Lane.BULK, interested=False) as facts:
        assert done([fact async for fact in facts]).completed == len(uids)


async def test_an_instance_that_is_held_costs_one_query(
    bus: Bus, wanted: Retrieve, one: Retrieve, pacs: FaultyPacs
) -> None:
    await facts_of(bus, wanted)
    pacs.forget()
    assert done(await facts_of(bus, one)).confirmed
    assert [query.level for query in pacs.operations()] == ["SERIES"]


async def test_an_instance_of_a_series_that_is_not_held_is_looked_for_alone(
    bus: Bus, blobs: BlobStore, one: Retrieve, pacs: FaultyPacs
) -> None:
    assert ready(await facts_of(bus, one)) == [one.instance]
    assert [ask.level for ask in pacs.operations()] == ["SERIES", "IMAGE"]  # and no list of the series
    pacs.forget()
    assert done(await facts_of(bus, one)).confirmed
    (_, query) = pacs.operations()
    assert (query.operation, query.keys["SOPInstanceUID"]) == (Operation.FIND, one.instance)
    assert (await manifest_of(blobs, one)).checked is None


async def test_an_instance_that_is_gone_at_the_origin_is_gone_here(
    bus: Bus, blobs: BlobStore, changed: Retrieve, changing: Changing, two_series: list[Path]
) -> None:
    await facts_of(bus, changed)
    gone = identity(two_series[0])
    changing.holds(two_series[1:])
    last = done(
        await facts_of(
            bus,
            Retrieve(changed.origin, changed.study, gone.series_instance_uid, gone.sop_instance_uid),
        )
    )
    assert (last.completed, last.missing, last.failure, last.confirmed) == (0, (), None, False)
    assert len(await keys(blobs, changed)) == len(two_series) - 1


async def test_the_end_of_each_series_is_told_when_it_is_known(
    bus: Bus, changed: Retrieve, two_series: list[Path]
) -> None:
    bad = identity(two_series[5])
    facts = await facts_of(bus, changed)
    ends = {fact.series: fact.completed for fact in facts if isinstance(fact, SeriesDone)}
    assert ends == {identity(two_series[0]).series_instance_uid: 4, bad.series_instance_uid: 3}


async def test_what_is_confirmed_and_what_is_new_end_their_series_each(
    bus: Bus, changed: Retrieve, changing: Changing, two_series: list[Path]
) -> None:
    changing.holds(two_series[:4])
    await facts_of(bus, changed)
    bad = identity(two_series[5])
    changing.holds(two_series).behave(FailsSuboperations(statuses={bad.sop_instance_uid: 0xC000}))
    ends = [fact for fact in await facts_of(bus, changed) if isinstance(fact, SeriesDone)]
    assert [end.completed for end in ends] == [4, 2]
    assert [missing.sop_instance_uid for missing in ends[1].missing] == [bad.sop_instance_uid]
    assert ends[1].failure is not None


async def test_the_newer_bytes_of_an_instance_are_the_ones_that_are_kept(
    bus: Bus, blobs: BlobStore, wanted: Retrieve, pacs: FaultyPacs, uids: list[str]
) -> None:
    await facts_of(bus, wanted)
    await Catalogue(blobs).drop(wanted.origin, wanted.study)
    pacs.behave(SendsOtherBytes())
    facts = await facts_of(bus, wanted)
    (series,) = (await manifest_of(blobs, wanted)).series
    assert {held.blob.sop_instance_uid for held in series.instances} == set(uids) == set(ready(facts))


async def test_an_instance_of_another_series_that_came_along_makes_that_one_no_whole_series(
    bus: Bus, blobs: BlobStore, changed: Retrieve, changing: Changing, two_series: list[Path]
) -> None:
    pacs = changing.now
    another = identity(two_series[-1])
    pacs.behave(SendsAnother(sop_instance_uid=another.sop_instance_uid))
    one = Retrieve(changed.origin, changed.study, identity(two_series[0]).series_instance_uid)
    await facts_of(bus, one)
    by_uid = {series.series_instance_uid: series for series in (await manifest_of(blobs, one)).series}
    assert by_uid[one.series or ""].is_whole
    assert not by_uid[another.series_instance_uid].is_whole
    pacs.forget()
    pacs.behave()
    assert set(ready(await facts_of(bus, changed))) == names(two_series[4:-1]) == set(pacs.sent())


async def test_a_store_that_is_away_when_it_ends_fails_a_job_that_has_told_all(
    bus: Bus, wanted: Retrieve, uids: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: object) -> None:
        raise StoreUnavailable("S3 is away")

    with monkeypatch.context() as patched:
        patched.setattr(Catalogue, "save", away)
        facts = await facts_of(bus, wanted)
    assert set(ready(facts)) == set(uids)
    failure = done(facts).failure
    assert failure is not None
    assert failure.kind == "StoreUnavailable"
    assert done(await facts_of(bus, wanted)).completed == len(uids)


async def test_a_store_that_is_away_when_it_begins_fails_a_job_before_the_origin_is_asked(
    bus: Bus, wanted: Retrieve, pacs: FaultyPacs, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: object) -> None:
        raise StoreUnavailable("S3 is away")

    monkeypatch.setattr(Catalogue, "load", away)
    failure = done(await facts_of(bus, wanted)).failure
    assert failure is not None
    assert failure.kind == "StoreUnavailable"
    assert pacs.operations() == []


async def test_a_manifest_that_nobody_can_read_is_none(
    bus: Bus, blobs: BlobStore, wanted: Retrieve, uids: list[str]
) -> None:
    await blobs.put(manifest_key(wanted.origin, wanted.study), b"no manifest")
    assert set(ready(await facts_of(bus, wanted))) == set(uids)


async def test_jobs_of_both_lanes_share_what_each_brings(
    bus: Bus, wanted: Retrieve, series: str, pacs: FaultyPacs, uids: list[str]
) -> None:
    pacs.behave(Slow(seconds=0.1))
    one = Retrieve(wanted.origin, wanted.study, series)
    interactive = asyncio.create_task(facts_of(bus, one))
    await asyncio.to_thread(pacs.wait_for, lambda event: event.kind is Kind.SENT)
    await facts_of(bus, wanted, Lane.BULK)
    await interactive
    assert sorted(pacs.sent()) == sorted(uids)
