"""What a viewer wants now does not wait for the rest of a study that is on its way."""

import asyncio

import pytest

from isthmus.common.bus import Bus, jobs, subjects
from isthmus.common.bus.jobs import Lane, Running
from isthmus.common.errors import Incomplete, NoSuchObject, NotDelivered
from isthmus.common.messages import (
    Ahead,
    AheadTaken,
    Failure,
    Lacking,
    Retrieve,
    RetrieveDone,
    RetrieveStarted,
    SeriesDone,
)
from isthmus.common.retrieval import Catalogue, Retrieval
from tests.common.retrieval.held import (
    OTHER_SERIES,
    REFUSED,
    SERIES,
    STUDY,
    blob,
    held_series,
    manifest,
    missing,
)
from tests.common.retrieval.worker import FakeWorker, at_work, everything
from tests.waiting import PATIENCE


class TestBroughtAhead:
    async def test_is_an_instance_of_a_study_on_its_way(
        self, bus: Bus, retrieval: Retrieval, origin_name: str
    ) -> None:
        asked: asyncio.Queue[Ahead] = asyncio.Queue()

        async def take(wanted: Ahead) -> AheadTaken:
            asked.put_nowait(wanted)
            return AheadTaken()

        async def script(worker: FakeWorker, running: Running[Retrieve]) -> RetrieveDone:
            await worker.ready(running, blob(1))
            assert await asked.get() == Ahead(SERIES, f"{SERIES}.300")
            await worker.ready(running, blob(300))
            await asyncio.Event().wait()
            return RetrieveDone(0, ())

        serving = await bus.serve(subjects.ahead(origin_name, STUDY), "worker", take, Ahead)
        async with at_work(bus, origin_name) as worker, asyncio.timeout(PATIENCE):
            worker.script = script
            async with retrieval.read(Retrieve(origin_name, STUDY)) as study:
                assert await anext(study) == blob(1)
                wanted = Retrieve(origin_name, STUDY, SERIES, f"{SERIES}.300")
                assert await everything(retrieval, wanted) == [blob(300)]
        await serving.finish()
        assert asked.empty()  # nobody asks ahead for what its own job brings

    async def test_is_asked_of_whoever_takes_the_job_over(
        self, bus: Bus, retrieval: Retrieval, origin_name: str
    ) -> None:
        asked: asyncio.Queue[Ahead] = asyncio.Queue()

        async def take(wanted: Ahead) -> AheadTaken:
            asked.put_nowait(wanted)
            return AheadTaken()

        async def script(worker: FakeWorker, running: Running[Retrieve]) -> RetrieveDone:
            assert await asked.get() == Ahead(SERIES)
            await worker.publish(running, RetrieveStarted(running.job, ""), "started again")
            assert await asked.get() == Ahead(SERIES)
            await worker.ready(running, blob(1))
            return RetrieveDone(1, ())

        serving = await bus.serve(subjects.ahead(origin_name, STUDY), "worker", take, Ahead)
        async with at_work(bus, origin_name) as worker, asyncio.timeout(PATIENCE):
            worker.script = script
            study = asyncio.create_task(everything(retrieval, Retrieve(origin_name, STUDY)))
            await worker.begun.wait()
            assert await everything(retrieval, Retrieve(origin_name, STUDY, SERIES)) == [blob(1)]
            assert await study == [blob(1)]
        await serving.finish()

    async def test_comes_all_the_same_when_nobody_takes_it(
        self, bus: Bus, retrieval: Retrieval, origin_name: str
    ) -> None:
        joined = asyncio.Event()

        async def script(worker: FakeWorker, running: Running[Retrieve]) -> RetrieveDone:
            await joined.wait()
            await worker.ready(running, blob(1))
            return RetrieveDone(1, ())

        async with at_work(bus, origin_name) as worker:
            worker.script = script
            study = asyncio.create_task(everything(retrieval, Retrieve(origin_name, STUDY)))
            await worker.begun.wait()
            series = asyncio.create_task(everything(retrieval, Retrieve(origin_name, STUDY, SERIES)))
            joined.set()
            assert await series == [blob(1)]
            await study


class TestASeriesOfAStudyOnItsWay:
    """The study's job goes on for ever, so whatever ends here does not wait for it."""

    async def read(
        self, bus: Bus, retrieval: Retrieval, origin: str, wanted: Retrieve, done: SeriesDone
    ) -> list[str]:
        async def script(worker: FakeWorker, running: Running[Retrieve]) -> RetrieveDone:
            await worker.ready(running, blob(1), blob(1, OTHER_SERIES))
            await worker.publish(running, SeriesDone(OTHER_SERIES, 1), "other")
            await worker.ready(running, blob(2))
            await worker.publish(running, done, "series")
            await asyncio.Event().wait()
            return RetrieveDone(0, ())

        async with at_work(bus, origin) as worker, asyncio.timeout(PATIENCE):
            worker.script = script
            async with retrieval.read(Retrieve(origin, STUDY)) as study:
                await anext(study)
                return [one.sop_instance_uid for one in await everything(retrieval, wanted)]

    async def test_lacks_what_its_end_says(self, bus: Bus, retrieval: Retrieval, origin_name: str) -> None:
        done = SeriesDone(SERIES, 2, (missing(3),), REFUSED)
        with pytest.raises(Incomplete):
            await self.read(bus, retrieval, origin_name, Retrieve(origin_name, STUDY, SERIES), done)

    async def test_is_not_whole_when_it_could_not_be_listed(
        self, bus: Bus, retrieval: Retrieval, origin_name: str
    ) -> None:
        done = SeriesDone(SERIES, 2, failure=REFUSED)
        with pytest.raises(Incomplete):
            await self.read(bus, retrieval, origin_name, Retrieve(origin_name, STUDY, SERIES), done)

    async def test_has_no_instance_that_its_end_does_not_know(
        self, bus: Bus, retrieval: Retrieval, origin_name: str
    ) -> None:
        wanted = Retrieve(origin_name, STUDY, SERIES, f"{SERIES}.3")
        with pytest.raises(NoSuchObject):
            await self.read(bus, retrieval, origin_name, wanted, SeriesDone(SERIES, 2))

    async def test_was_not_sent_the_instance_that_its_end_names(
        self, bus: Bus, retrieval: Retrieval, origin_name: str
    ) -> None:
        wanted = Retrieve(origin_name, STUDY, SERIES, f"{SERIES}.3")
        failure = Failure("NotDelivered", "no", "pacs")
        with pytest.raises(NotDelivered):
            await self.read(
                bus, retrieval, origin_name, wanted, SeriesDone(SERIES, 2, (missing(3),), failure)
            )

    async def test_ends_with_its_own_end(self, bus: Bus, retrieval: Retrieval, origin_name: str) -> None:
        wanted = Retrieve(origin_name, STUDY, SERIES)
        found = await self.read(bus, retrieval, origin_name, wanted, SeriesDone(SERIES, 2))
        assert found == [f"{SERIES}.1", f"{SERIES}.2"]


async def test_a_series_does_not_end_at_an_end_that_knows_more_than_came(
    bus: Bus, retrieval: Retrieval, origin_name: str
) -> None:
    async def script(worker: FakeWorker, running: Running[Retrieve]) -> RetrieveDone:
        await worker.ready(running, blob(1))
        await worker.publish(running, SeriesDone(SERIES, 2), "series")
        await worker.ready(running, blob(2))
        return RetrieveDone(2, ())

    async with at_work(bus, origin_name) as worker:
        worker.script = script
        async with retrieval.read(Retrieve(origin_name, STUDY)) as study:
            await anext(study)
            series = everything(retrieval, Retrieve(origin_name, STUDY, SERIES))
            assert await series == [blob(1), blob(2)]


async def test_who_submitted_a_series_reads_to_the_end_of_its_job_when_the_manifest_is_there(
    bus: Bus, retrieval: Retrieval, catalogue: Catalogue, origin_name: str
) -> None:
    async def script(worker: FakeWorker, running: Running[Retrieve]) -> RetrieveDone:
        await worker.ready(running, blob(1))
        await worker.publish(running, SeriesDone(SERIES, 1), "series")
        await catalogue.save(manifest(origin_name, held_series(blob(1)), age=None))
        return RetrieveDone(1, ())

    async with at_work(bus, origin_name) as worker:
        worker.script = script
        assert await everything(retrieval, Retrieve(origin_name, STUDY, SERIES)) == [blob(1)]
    assert await catalogue.load(origin_name, STUDY) is not None


class TestThePartThatANarrowerJobBrings:
    async def test_streams_at_once_and_then_comes_the_rest(
        self, bus: Bus, retrieval: Retrieval, origin_name: str
    ) -> None:
        first_is_read = asyncio.Event()

        async def script(worker: FakeWorker, running: Running[Retrieve]) -> RetrieveDone:
            if running.job.series is not None:
                await worker.ready(running, blob(1))
                await first_is_read.wait()
                return RetrieveDone(1, ())
            await worker.held(running, blob(1))
            await worker.ready(running, blob(2))
            return RetrieveDone(2, ())

        async with at_work(bus, origin_name) as worker, asyncio.timeout(PATIENCE):
            worker.script = script
            series = asyncio.create_task(everything(retrieval, Retrieve(origin_name, STUDY, SERIES)))
            await worker.begun.wait()
            async with retrieval.read(Retrieve(origin_name, STUDY)) as study:
                assert await anext(study) == blob(1)
                first_is_read.set()
                assert [one async for one in study] == [blob(2)]
            assert await series == [blob(1)]

    async def test_waits_where_it_must_first_be_told_what_lacks_of_the_whole(
        self, bus: Bus, retrieval: Retrieval, catalogue: Catalogue, origin_name: str
    ) -> None:
        lost = held_series(missing=(missing(9, OTHER_SERIES),), series=OTHER_SERIES, failure=REFUSED, age=100)
        await catalogue.save(manifest(origin_name, lost, age=100))

        released = asyncio.Event()

        async def script(worker: FakeWorker, running: Running[Retrieve]) -> RetrieveDone:
            if running.job.series is not None:
                await worker.ready(running, blob(1))
                await released.wait()
                return RetrieveDone(1, ())
            await catalogue.save(manifest(origin_name, held_series(blob(1)), lost))
            return RetrieveDone(0, (), confirmed=True)

        async def lacking_of_study() -> Lacking | None:
            async with retrieval.read(Retrieve(origin_name, STUDY)) as study:
                assert [one async for one in study] == [blob(1)]
                return study.lacking

        async with at_work(bus, origin_name) as worker, asyncio.timeout(PATIENCE):
            worker.script = script
            series = asyncio.create_task(everything(retrieval, Retrieve(origin_name, STUDY, SERIES)))
            await worker.begun.wait()
            study = asyncio.create_task(lacking_of_study())
            assert await asyncio.wait({study}, timeout=0.5) == (set(), {study})
            released.set()
            assert await study == Lacking((missing(9, OTHER_SERIES),), REFUSED)
            assert await series == [blob(1)]


class TestPrefetch:
    async def bulk_jobs(self, bus: Bus, origin: str) -> list[Retrieve]:
        async with at_work(bus, origin, Lane.BULK, at_once=1) as worker, asyncio.timeout(PATIENCE):
            # The lane is in order: who comes after it finds it empty.
            await jobs.submit_retrieve(bus, Retrieve(origin, "9.9"), Lane.BULK)
            while not worker.jobs or worker.jobs[-1].study != "9.9":
                await worker.begun.wait()
                worker.begun.clear()
            return worker.jobs[:-1]

    async def test_leaves_alone_what_is_held_and_fresh(
        self, bus: Bus, retrieval: Retrieval, catalogue: Catalogue, origin_name: str
    ) -> None:
        await catalogue.save(manifest(origin_name, held_series(blob(1))))
        await retrieval.prefetch(origin_name, STUDY)
        assert await self.bulk_jobs(bus, origin_name) == []

    async def test_lets_the_whole_study_follow_in_the_bulk_lane_once(
        self, bus: Bus, retrieval: Retrieval, catalogue: Catalogue, origin_name: str
    ) -> None:
        await catalogue.save(manifest(origin_name, held_series(blob(1)), age=None))
        for _ in range(3):
            await retrieval.prefetch(origin_name, STUDY)
        assert await self.bulk_jobs(bus, origin_name) == [Retrieve(origin_name, STUDY)]

    async def test_does_not_keep_anyone_from_joining_what_is_on_its_way(
        self, bus: Bus, retrieval: Retrieval, origin_name: str
    ) -> None:
        await retrieval.prefetch(origin_name, STUDY)

        async def script(worker: FakeWorker, running: Running[Retrieve]) -> RetrieveDone:
            await worker.ready(running, blob(1))
            return RetrieveDone(1, ())

        async with at_work(bus, origin_name) as worker:
            worker.script = script
            assert await everything(retrieval, Retrieve(origin_name, STUDY, SERIES)) == [blob(1)]
            assert worker.jobs == [Retrieve(origin_name, STUDY, SERIES)]
