"""Reading what any of three origins may have."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus
from isthmus.common.dicom.levels import Level
from isthmus.common.errors import (
    CircuitOpen,
    Incomplete,
    NoSuchObject,
    NotDelivered,
    OperationFailed,
    OriginTimeout,
)
from isthmus.common.federation import FederatedReading, Silence, Visible, Wanted
from isthmus.common.messages import BlobRef
from tests.common.federation.origins import OpenFederation, Origins, working
from tests.common.retrieval.held import OTHER_SERIES, SERIES, STUDY, blob, held_series, manifest, missing
from tests.waiting import PATIENCE

THIS = Wanted(STUDY)
FIND = [Level.STUDY]


@pytest.fixture
async def origins(bus: Bus, blobs: BlobStore, origin_name: str) -> AsyncIterator[Origins]:
    async with working(bus, blobs, origin_name) as origins:
        yield origins


async def read(
    federation: OpenFederation, wanted: Wanted = THIS, among: Visible | None = None
) -> tuple[list[BlobRef], FederatedReading]:
    async with federation.read(wanted, among) as reading:
        return [one async for one in reading], reading


def unable(name: str) -> OperationFailed:
    return OperationFailed("no", origin=name, status=0xA701, operation="C-GET")


class TestWhatOneOriginHas:
    async def test_is_read_there_though_the_others_are_asked(self, origins: Origins) -> None:
        there = [blob(1), blob(2)]
        origins.b.holds(*there)
        found, reading = await read(origins.federation())
        assert found == there
        assert (reading.silent, reading.lacking) == ((), None)
        assert (origins.a.jobs, origins.b.jobs, origins.c.jobs) == ([], [(None, None)], [])
        assert [one.asked for one in (origins.a, origins.b, origins.c)] == [FIND] * 3

    async def test_is_read_without_asking_where_there_is_no_other(self, origins: Origins) -> None:
        origins.a.holds(blob(1))
        found, _ = await read(origins.federation(origins.a))
        assert found == [blob(1)]
        assert origins.a.asked == []

    async def test_may_be_a_series_or_an_instance(self, origins: Origins) -> None:
        origins.c.holds(blob(1), blob(2), blob(1, OTHER_SERIES))
        federation = origins.federation()
        assert (await read(federation, Wanted(STUDY, SERIES)))[0] == [blob(1), blob(2)]
        assert (await read(federation, Wanted(STUDY, SERIES, f"{SERIES}.2")))[0] == [blob(2)]

    async def test_is_remembered(self, origins: Origins) -> None:
        origins.b.holds(blob(1), blob(2))
        federation = origins.federation()
        for number in (1, 2):
            await read(federation, Wanted(STUDY, SERIES, f"{SERIES}.{number}"))
        assert origins.a.asked == FIND
        forgetful = origins.federation(fresh_seconds=0)
        for _ in range(2):
            await read(forgetful)
        assert origins.a.asked == FIND * 3

    async def test_is_asked_once_for_all_who_come_meanwhile(self, origins: Origins) -> None:
        origins.b.holds(*(blob(number) for number in range(20)))
        federation = origins.federation()
        wanted = (Wanted(STUDY, SERIES, f"{SERIES}.{number}") for number in range(20))
        found = await asyncio.gather(*(read(federation, one) for one in wanted))
        assert [one for blobs, _ in found for one in blobs] == origins.b.blobs
        assert origins.a.asked == FIND

    async def test_that_has_moved_is_looked_for_again(self, origins: Origins) -> None:
        federation = origins.federation()
        origins.a.holds(blob(1))
        await read(federation)
        origins.a.is_empty_now()
        origins.b.holds(blob(1))
        found, _ = await read(federation)
        assert found == [blob(1)]
        assert origins.b.jobs == [(None, None)]

    async def test_is_lacking_as_of_that_origin(self, origins: Origins) -> None:
        origins.a.holds(blob(1))
        origins.a.lacking = (missing(2),)
        found, reading = await read(origins.federation())
        assert found == [blob(1)]
        assert reading.lacking is not None
        assert reading.lacking.missing == (missing(2),)


class TestWhatSeveralOriginsHave:
    async def test_is_transferred_once_where_the_first_has_all(self, origins: Origins) -> None:
        first, second = [blob(1, digest="a"), blob(2)], [blob(1, digest="b")]
        origins.a.holds(*first)
        origins.b.holds(*second)
        found, _ = await read(origins.federation())
        assert found == first
        assert origins.b.jobs == []
        assert origins.a.asked == [Level.STUDY, Level.SERIES, Level.IMAGE]

    async def test_is_read_where_all_of_it_is(self, origins: Origins) -> None:
        origins.a.holds(blob(1))
        origins.b.holds(blob(1), blob(2))
        found, _ = await read(origins.federation())
        assert found == [blob(1), blob(2)]
        assert origins.a.jobs == []

    async def test_is_read_from_all_that_have_a_part(self, origins: Origins) -> None:
        origins.a.holds(blob(1))
        origins.c.holds(blob(1, OTHER_SERIES))
        found, reading = await read(origins.federation())
        assert found == [blob(1), blob(1, OTHER_SERIES)]
        assert reading.manifest is None
        # Series that one origin has need not be compared.
        assert origins.a.asked == [Level.STUDY, Level.SERIES]
        found, _ = await read(origins.federation(), Wanted(STUDY, OTHER_SERIES))
        assert found == [blob(1, OTHER_SERIES)]

    async def test_has_each_instance_once_and_from_the_first(self, origins: Origins) -> None:
        origins.a.holds(blob(1), blob(2, digest="a"))
        origins.b.holds(blob(2, digest="b"), blob(3))
        found, _ = await read(origins.federation())
        assert found == [blob(1), blob(2, digest="a"), blob(3)]

    async def test_breaks_off_where_the_second_does_not_deliver(self, origins: Origins) -> None:
        origins.a.holds(blob(1))
        origins.b.holds(blob(2), blob(3))
        origins.b.failure = unable(origins.b.name)
        async with origins.federation().read(THIS) as reading:
            found = [await anext(reading) for _ in range(3)]
            with pytest.raises(Incomplete):
                await anext(reading)
        assert found == [blob(1), blob(2), blob(3)]

    async def test_lacks_what_none_of_them_can_deliver(self, origins: Origins) -> None:
        origins.a.holds(blob(1))
        origins.a.lists(SERIES, f"{SERIES}.3")
        origins.a.lists(SERIES, f"{SERIES}.9")
        origins.a.lacking = (missing(3), missing(9))
        origins.b.holds(blob(2), blob(3))
        found, reading = await read(origins.federation())
        assert found == [blob(1), blob(2), blob(3)]
        assert reading.lacking is not None
        assert reading.lacking.missing == (missing(9),)

    async def test_is_not_complete_where_one_does_not_list_what_it_has(self, origins: Origins) -> None:
        origins.a.holds(blob(1))
        origins.b.holds(blob(1))
        for level in (Level.SERIES, Level.IMAGE):
            origins.b.pacs.matches[level].clear()
        found, reading = await read(origins.federation())
        assert found == [blob(1)]
        assert [silence.origin for silence in reading.silent] == [origins.b.name]


class TestWhatIsHeld:
    async def test_whole_and_fresh_is_not_asked_for(self, origins: Origins) -> None:
        await origins.catalogue.save(manifest(origins.a.name, held_series(blob(1, origin=origins.a.name))))
        origins.a.holds(blob(1, origin=origins.a.name))
        found, _ = await read(origins.federation())
        assert found == [blob(1, origin=origins.a.name)]
        assert (origins.a.asked, origins.b.asked) == ([], FIND)

    async def test_without_what_an_origin_could_not_deliver_is_no_copy_of_it(self, origins: Origins) -> None:
        await origins.catalogue.save(
            manifest(origins.a.name, held_series(blob(1), missing=(missing(2),)), age=1000)
        )
        origins.a.holds(blob(1), blob(2))
        origins.b.holds(blob(1), blob(2))
        found, _ = await read(origins.federation())
        assert found == [blob(1), blob(2)]
        assert (origins.a.jobs, origins.b.jobs) == ([], [(None, None)])

    async def test_of_an_origin_that_is_no_longer_in_the_settings_is_not_read(self, origins: Origins) -> None:
        await origins.catalogue.save(manifest(origins.a.name, held_series(blob(1))))
        with pytest.raises(NoSuchObject):
            await read(origins.federation(origins.b, origins.c))


class TestAnOriginThatDoesNotAnswer:
    async def test_is_named_where_another_has_it(self, origins: Origins) -> None:
        origins.a.pacs.failures[Level.STUDY] = CircuitOpen("away", origin=origins.a.name)
        origins.b.holds(blob(1))
        found, reading = await read(origins.federation())
        assert found == [blob(1)]
        assert [silence.warning for silence in reading.silent] == [
            f"The origin {origins.a.name} is not included: The origin is away"
        ]

    async def test_is_the_error_where_no_other_has_it(self, origins: Origins) -> None:
        origins.b.pacs.failures[Level.STUDY] = CircuitOpen("away", origin=origins.b.name)
        with pytest.raises(CircuitOpen) as raised:
            await read(origins.federation())
        assert raised.value.origin == origins.b.name

    async def test_is_the_error_where_another_has_only_the_rest_of_the_study(self, origins: Origins) -> None:
        origins.a.holds(blob(1))
        origins.b.pacs.failures[Level.STUDY] = CircuitOpen("away", origin=origins.b.name)
        with pytest.raises(CircuitOpen):
            await read(origins.federation(), Wanted(STUDY, OTHER_SERIES))

    async def test_in_time_is_left_alone_for_a_while(self, origins: Origins) -> None:
        origins.a.holds(blob(1))
        origins.b.pacs.hangs = True
        federation = origins.federation(fresh_seconds=0)
        for _ in range(3):
            found, reading = await read(federation)
            assert found == [blob(1)]
            assert isinstance(reading.silent[0].error, OriginTimeout)
        assert (origins.a.asked, origins.b.asked) == (FIND * 3, FIND)

    async def test_in_time_is_asked_again_for_what_no_other_has(self, origins: Origins) -> None:
        origins.a.holds(blob(1))
        origins.b.pacs.hangs = True
        federation = origins.federation()
        await read(federation)
        with pytest.raises(OriginTimeout):
            await read(federation, Wanted(STUDY, OTHER_SERIES))
        origins.b.pacs.hangs = False
        origins.b.holds(blob(1, OTHER_SERIES))
        assert (await read(federation, Wanted(STUDY, OTHER_SERIES)))[0] == [blob(1, OTHER_SERIES)]

    async def test_in_time_but_had_it_before_is_read_all_the_same(self, origins: Origins) -> None:
        federation = origins.federation(fresh_seconds=0, hurried=[origins.b])
        origins.b.holds(blob(1))
        await read(federation)
        origins.b.pacs.hangs = True
        for _ in range(2):
            found, reading = await read(federation)
            assert found == [blob(1)]
            assert reading.silent == ()

    async def test_in_time_but_had_a_part_before_is_read_all_the_same(self, origins: Origins) -> None:
        federation = origins.federation(fresh_seconds=0, hurried=[origins.b])
        origins.a.holds(blob(1))
        origins.b.holds(blob(1, OTHER_SERIES))
        await read(federation)
        origins.b.pacs.hangs = True
        assert (await read(federation))[0] == [blob(1), blob(1, OTHER_SERIES)]
        origins.a.is_empty_now()
        with pytest.raises(OriginTimeout):
            await read(federation, Wanted(STUDY, SERIES))

    async def test_costs_its_own_deadline_once(self, origins: Origins) -> None:
        origins.a.holds(blob(1))
        origins.b.pacs.hangs = origins.c.pacs.hangs = True
        await read(origins.federation())
        assert (origins.b.asked, origins.c.asked) == (FIND, FIND)


class TestAnOriginThatDoesNotDeliver:
    async def test_is_replaced_by_one_that_has_the_same(self, origins: Origins) -> None:
        for one in (origins.a, origins.c):
            one.holds(blob(1))
        origins.a.blobs.clear()
        origins.a.failure = unable(origins.a.name)
        found, reading = await read(origins.federation())
        assert found == [blob(1)]
        assert [silence.origin for silence in reading.silent] == [origins.a.name]

    async def test_is_an_error_where_it_alone_has_a_part(self, origins: Origins) -> None:
        origins.a.holds(blob(1), blob(2))
        origins.b.holds(blob(1))
        origins.a.blobs.clear()
        origins.a.failure = unable(origins.a.name)
        with pytest.raises(OperationFailed):
            await read(origins.federation())
        assert (await read(origins.federation(), Wanted(STUDY, SERIES, f"{SERIES}.1")))[0] == [blob(1)]

    async def test_and_has_nothing_of_its_part_any_more_is_an_error(self, origins: Origins) -> None:
        origins.a.holds(blob(1))
        origins.b.holds(blob(1, OTHER_SERIES))
        origins.b.blobs.clear()
        with pytest.raises(NotDelivered):
            await read(origins.federation())


class TestWhatNobodyHas:
    async def test_is_not_there(self, origins: Origins) -> None:
        with pytest.raises(NoSuchObject):
            await read(origins.federation())

    async def test_of_a_study_that_one_has_is_not_there(self, origins: Origins) -> None:
        origins.a.holds(blob(1))
        with pytest.raises(NoSuchObject):
            await read(origins.federation(), Wanted(STUDY, OTHER_SERIES))

    async def test_of_a_study_that_several_have_is_not_there(self, origins: Origins) -> None:
        origins.a.holds(blob(1))
        origins.b.holds(blob(1))
        federation = origins.federation()
        for wanted in (Wanted(STUDY, OTHER_SERIES), Wanted(STUDY, SERIES, "9.9")):
            with pytest.raises(NoSuchObject):
                await read(federation, wanted)

    async def test_is_asked_for_each_time(self, origins: Origins) -> None:
        federation = origins.federation()
        with pytest.raises(NoSuchObject):
            await read(federation)
        origins.c.holds(blob(1))
        assert (await read(federation))[0] == [blob(1)]


async def test_a_reader_that_leaves_meanwhile_ends_the_asking(origins: Origins) -> None:
    federation = origins.federation()
    origins.a.pacs.hangs = True
    reading = asyncio.create_task(read(federation))
    await origins.a.pacs.asked.wait()
    reading.cancel()
    await asyncio.wait_for(origins.a.pacs.cancelled.wait(), PATIENCE)
    with pytest.raises(asyncio.CancelledError):
        await reading


async def test_the_rest_of_a_study_comes_from_where_it_would_be_read(origins: Origins) -> None:
    origins.a.holds(blob(1))
    origins.b.holds(blob(1), blob(2))
    assert await origins.federation().origins_of(STUDY) == [origins.b.name]


class TestWhoMayNotSeeEverything:
    async def test_reads_what_those_have_that_he_may_see_and_asks_no_other(self, origins: Origins) -> None:
        origins.a.holds(blob(1))
        origins.b.holds(blob(1), blob(2))
        origins.c.pacs.hangs = True
        federation = origins.federation()
        for fake, instances in ((origins.a, [blob(1)]), (origins.b, [blob(1), blob(2)])):
            found, reading = await read(federation, among=Visible((fake.name,)))
            assert found == instances
            assert reading.silent == ()
        assert [one.asked for one in (origins.a, origins.b, origins.c)] == [[]] * 3

    async def test_is_told_otherwise_than_who_may(self, origins: Origins) -> None:
        origins.a.holds(blob(1))
        origins.b.holds(blob(2))
        origins.c.holds(blob(1), blob(2), blob(3))
        federation = origins.federation()
        both = Visible((origins.a.name, origins.b.name))
        for among, instances in (
            (None, [blob(1), blob(2), blob(3)]),
            (both, [blob(1), blob(2)]),
            (None, [blob(1), blob(2), blob(3)]),
        ):
            assert (await read(federation, among=among))[0] == instances
        assert await federation.origins_of(STUDY, both) == [origins.a.name, origins.b.name]
        assert await federation.origins_of(STUDY) == [origins.c.name]

    async def test_has_nothing_where_he_may_see_nothing(self, origins: Origins) -> None:
        origins.a.holds(blob(1))
        with pytest.raises(NoSuchObject, match="No origin has such an object"):
            await read(origins.federation(), among=Visible(()))
        with pytest.raises(NoSuchObject, match="No origin has such an object"):
            await read(origins.federation(), among=Visible((origins.b.name, origins.c.name)))

    async def test_hears_of_an_origin_that_does_not_tell_what_he_may_see(self, origins: Origins) -> None:
        origins.a.holds(blob(1))
        silence = Silence(origins.b.name, CircuitOpen("away", origin=origins.b.name))
        _, reading = await read(origins.federation(), among=Visible((origins.a.name,), (silence,)))
        assert reading.silent == (silence,)
        for among in ((), (origins.c.name,)):
            with pytest.raises(CircuitOpen):
                await read(origins.federation(), among=Visible(among, (silence,)))
