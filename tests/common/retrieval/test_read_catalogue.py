"""What the catalogue has, whole and fresh, comes from there; what lacks is told before the first instance."""

import asyncio
from dataclasses import replace

import pytest

from isthmus.common.bus import Bus
from isthmus.common.bus.jobs import Running
from isthmus.common.errors import (
    BusUnavailable,
    Incomplete,
    IsthmusError,
    NoSuchObject,
    NotDelivered,
    OperationFailed,
)
from isthmus.common.messages import Failure, Lacking, Retrieve, RetrieveDone
from isthmus.common.retrieval import Catalogue, LastReads, Manifest, Retrieval
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

ONE = f"{SERIES}.1"


class TestNothingComes:
    @pytest.mark.parametrize(
        ("failure", "error"),
        [(REFUSED, OperationFailed), (None, NotDelivered)],
        ids=["why", "nobody knows why"],
    )
    @pytest.mark.parametrize("uids", [(), (SERIES,), (SERIES, ONE)], ids=["study", "series", "instance"])
    async def test_of_what_the_origin_could_not_deliver_at_all(
        self,
        retrieval: Retrieval,
        catalogue: Catalogue,
        origin_name: str,
        uids: tuple[str, ...],
        failure: Failure | None,
        error: type[IsthmusError],
    ) -> None:
        lost = held_series(missing=(missing(1),), failure=failure)
        await catalogue.save(manifest(origin_name, lost))
        with pytest.raises(error):
            await everything(retrieval, Retrieve(origin_name, STUDY, *uids))

    async def test_of_a_study_that_the_origin_just_listed_as_empty(
        self, retrieval: Retrieval, catalogue: Catalogue, origin_name: str
    ) -> None:
        await catalogue.save(manifest(origin_name))
        with pytest.raises(NoSuchObject):
            await everything(retrieval, Retrieve(origin_name, STUDY))


class TestNobodyIsAsked:
    """No worker is there: a job would not end."""

    @pytest.mark.parametrize("uids", [(), (SERIES,), (SERIES, ONE)], ids=["study", "series", "instance"])
    async def test_for_what_is_whole_and_fresh(
        self, retrieval: Retrieval, catalogue: Catalogue, origin_name: str, uids: tuple[str, ...]
    ) -> None:
        written = manifest(origin_name, held_series(blob(1)))
        await catalogue.save(written)
        async with retrieval.read(Retrieve(origin_name, STUDY, *uids)) as reading:
            assert (reading.manifest, reading.lacking) == (written, None)
            assert [one async for one in reading] == [blob(1)]

    async def test_for_an_instance_of_a_series_that_was_never_listed(
        self, retrieval: Retrieval, catalogue: Catalogue, origin_name: str
    ) -> None:
        await catalogue.save(manifest(origin_name, held_series(blob(1), listed=7), age=None))
        assert await everything(retrieval, Retrieve(origin_name, STUDY, SERIES, ONE)) == [blob(1)]

    async def test_for_what_lacks_and_it_is_told(
        self, retrieval: Retrieval, catalogue: Catalogue, origin_name: str
    ) -> None:
        written = manifest(
            origin_name,
            held_series(blob(1), missing=(missing(2),), failure=REFUSED),
            held_series(blob(1, OTHER_SERIES), series=OTHER_SERIES),
        )
        await catalogue.save(written)
        lacking = Lacking((missing(2),), REFUSED)
        for series, expected in ((None, lacking), (SERIES, lacking), (OTHER_SERIES, None)):
            async with retrieval.read(Retrieve(origin_name, STUDY, series)) as reading:
                assert reading.lacking == expected
                assert [one async for one in reading] == list(
                    written.blobs(Retrieve(origin_name, STUDY, series))
                )
        async with retrieval.read(Retrieve(origin_name, STUDY, SERIES, ONE)) as reading:
            assert reading.lacking is None

    async def test_and_the_read_is_written_down(
        self, bus: Bus, retrieval: Retrieval, catalogue: Catalogue, origin_name: str
    ) -> None:
        await catalogue.save(manifest(origin_name, held_series(blob(1))))
        await everything(retrieval, Retrieve(origin_name, STUDY))
        await bus.client.flush()
        assert (origin_name, STUDY) in await LastReads(bus).all()


class TestTheOriginIsAsked:
    @pytest.mark.parametrize(
        "stale",
        [
            manifest("", held_series(blob(1), age=31), age=31),
            manifest("", held_series(blob(1)), age=None),
            manifest("", held_series(blob(1), listed=2)),
            manifest("", held_series(blob(1), age=31)),
        ],
        ids=["study too long ago", "series not listed", "series not whole", "series too long ago"],
    )
    async def test_when_what_is_held_is_not_whole_and_fresh(
        self, bus: Bus, retrieval: Retrieval, catalogue: Catalogue, origin_name: str, stale: Manifest
    ) -> None:
        await catalogue.save(replace(stale, origin=origin_name))

        async def script(worker: FakeWorker, running: Running[Retrieve]) -> RetrieveDone:
            await worker.held(running, blob(1))
            await worker.ready(running, blob(2))
            return RetrieveDone(2, ())

        async with at_work(bus, origin_name) as worker:
            worker.script = script
            async with retrieval.read(Retrieve(origin_name, STUDY)) as reading:
                assert reading.manifest is None
                assert [one async for one in reading] == [blob(1), blob(2)]

    async def test_and_confirms_what_is_held(
        self, bus: Bus, retrieval: Retrieval, catalogue: Catalogue, origin_name: str
    ) -> None:
        stale = held_series(blob(1), blob(2), missing=(missing(3),), failure=REFUSED, age=100)
        await catalogue.save(manifest(origin_name, stale, age=100))

        async def confirms(_: FakeWorker, __: Running[Retrieve]) -> RetrieveDone:
            return RetrieveDone(0, (), confirmed=True)

        async with at_work(bus, origin_name) as worker:
            worker.script = confirms
            async with retrieval.read(Retrieve(origin_name, STUDY)) as reading:
                assert reading.manifest is not None
                assert reading.lacking == Lacking((missing(3),), REFUSED)
                assert [one async for one in reading] == [blob(1), blob(2)]

    async def test_again_when_what_it_confirmed_is_gone(
        self, bus: Bus, retrieval: Retrieval, origin_name: str
    ) -> None:
        async def script(worker: FakeWorker, running: Running[Retrieve]) -> RetrieveDone:
            if len(worker.jobs) == 1:
                return RetrieveDone(0, (), confirmed=True)
            await worker.ready(running, blob(1))
            return RetrieveDone(1, ())

        async with at_work(bus, origin_name) as worker:
            worker.script = script
            assert await everything(retrieval, Retrieve(origin_name, STUDY)) == [blob(1)]

    async def test_a_few_times_and_not_for_ever(
        self, bus: Bus, retrieval: Retrieval, origin_name: str
    ) -> None:
        async def confirms(_: FakeWorker, __: Running[Retrieve]) -> RetrieveDone:
            return RetrieveDone(0, (), confirmed=True)

        async with at_work(bus, origin_name) as worker:
            worker.script = confirms
            with pytest.raises(BusUnavailable):
                await everything(retrieval, Retrieve(origin_name, STUDY))

    async def test_after_a_lost_beginning_and_nothing_comes_twice(
        self, bus: Bus, retrieval: Retrieval, catalogue: Catalogue, origin_name: str
    ) -> None:
        async def script(worker: FakeWorker, running: Running[Retrieve]) -> RetrieveDone:
            if len(worker.jobs) == 1:
                await worker.ready(running, blob(2))
                await catalogue.save(manifest(origin_name, held_series(blob(1), blob(2))))
                return RetrieveDone(2, ())
            return RetrieveDone(0, (), confirmed=True)

        async with at_work(bus, origin_name) as worker:
            worker.script = script
            async with retrieval.read(Retrieve(origin_name, STUDY)) as reading:
                assert [one async for one in reading] == [blob(2), blob(1)]
                assert reading.manifest is None


class TestWhatLacks:
    async def read(
        self, bus: Bus, retrieval: Retrieval, origin: str, done: RetrieveDone, lacking: Lacking | None = None
    ) -> Lacking | None:
        """Read a study of which a job brings the first two instances."""

        async def script(worker: FakeWorker, running: Running[Retrieve]) -> RetrieveDone:
            if lacking is not None:
                await worker.publish(running, lacking, "lacking")
            await worker.held(running, blob(1))
            await worker.ready(running, blob(2))
            return done

        async with at_work(bus, origin) as worker:
            worker.script = script
            async with retrieval.read(Retrieve(origin, STUDY)) as reading:
                assert [one async for one in reading] == [blob(1), blob(2)]
                return reading.lacking

    @pytest.mark.parametrize("lacking", [None, Lacking((missing(3),), REFUSED)])
    async def test_and_was_not_told_before_is_a_body_without_an_end(
        self, bus: Bus, retrieval: Retrieval, origin_name: str, lacking: Lacking | None
    ) -> None:
        done = RetrieveDone(2, (missing(3), missing(4)), REFUSED)
        with pytest.raises(Incomplete) as caught:
            await self.read(bus, retrieval, origin_name, done, lacking)
        untold = {f"{SERIES}.3", f"{SERIES}.4"} - ({f"{SERIES}.3"} if lacking else set())
        assert set(caught.value.missing) == untold

    async def test_without_a_name_and_untold_is_a_body_without_an_end(
        self, bus: Bus, retrieval: Retrieval, origin_name: str
    ) -> None:
        done = RetrieveDone(2, (missing(3),), REFUSED, unnamed=5)
        with pytest.raises(Incomplete):
            await self.read(bus, retrieval, origin_name, done, Lacking((missing(3),), REFUSED, unnamed=4))

    async def test_is_not_what_was_told_when_the_list_could_not_be_had(
        self, bus: Bus, retrieval: Retrieval, origin_name: str
    ) -> None:
        done = RetrieveDone(2, (missing(3),), REFUSED, unlisted=True)
        with pytest.raises(Incomplete):
            await self.read(bus, retrieval, origin_name, done, Lacking((missing(3),), REFUSED))

    @pytest.mark.parametrize(
        "done",
        [
            RetrieveDone(2, ()),
            RetrieveDone(2, (missing(3),), REFUSED),
            RetrieveDone(2, (missing(3),), Failure("AssociationAborted", "broke off once", "pacs")),
            RetrieveDone(2, (missing(3),), REFUSED, unnamed=2),
        ],
        ids=["came after all", "named", "another failure, repaired", "unnamed"],
    )
    async def test_as_was_told_is_a_clean_end(
        self, bus: Bus, retrieval: Retrieval, origin_name: str, done: RetrieveDone
    ) -> None:
        lacking = Lacking((missing(3),), REFUSED, unnamed=done.unnamed)
        assert await self.read(bus, retrieval, origin_name, done, lacking) == lacking

    async def test_elsewhere_in_the_study_is_not_told_of_a_series(
        self, bus: Bus, retrieval: Retrieval, origin_name: str
    ) -> None:
        joined = asyncio.Event()

        async def script(worker: FakeWorker, running: Running[Retrieve]) -> RetrieveDone:
            await worker.publish(running, Lacking((missing(9, OTHER_SERIES),), REFUSED), "lacking")
            await joined.wait()
            await worker.ready(running, blob(1))
            return RetrieveDone(1, (missing(9, OTHER_SERIES),), REFUSED)

        async with at_work(bus, origin_name) as worker:
            worker.script = script
            study = asyncio.create_task(everything(retrieval, Retrieve(origin_name, STUDY)))
            await worker.begun.wait()
            reading_series = asyncio.create_task(self._series(retrieval, origin_name))
            joined.set()
            assert await reading_series is None
            assert await study == [blob(1)]

    async def _series(self, retrieval: Retrieval, origin: str) -> Lacking | None:
        async with retrieval.read(Retrieve(origin, STUDY, SERIES)) as reading:
            assert [one async for one in reading] == [blob(1)]
            return reading.lacking
