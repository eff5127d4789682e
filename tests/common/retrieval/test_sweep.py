"""What makes room for what; the store is one of these tests alone, as a sweep is over all that there is."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest
from structlog.testing import capture_logs

from isthmus.common.blobs import BlobStore, derived_key, held_key, manifest_key
from isthmus.common.bus import Bus, end_tasks, jobs
from isthmus.common.bus.guard import guard
from isthmus.common.bus.subjects import token
from isthmus.common.config.settings import S3, Nats
from isthmus.common.messages import Retrieve, encode
from isthmus.common.retrieval import Catalogue
from isthmus.common.retrieval.reads import LastRead, LastReads
from isthmus.common.retrieval.sweep import KEPT_SECONDS, Sweeper, Swept, evict
from isthmus.common.retrieval.usage import usage
from isthmus.common.telemetry import metrics_text
from isthmus.common.threads import Threads
from tests.common.retrieval.held import SERIES
from tests.waiting import PATIENCE

SIZE = 100
"""Bytes of each study."""


@pytest.fixture
async def blobs(s3_settings: S3) -> AsyncIterator[BlobStore]:
    """An empty store."""
    threads = Threads("test-s3", 4)
    store = BlobStore(
        s3_settings.endpoint, s3_settings.access_key, s3_settings.secret_key, "sweep", threads=threads
    )
    await store.ensure_bucket()
    await store.delete_all([listed.key async for listed in store.list("")])
    yield store
    store.close()
    threads.close()


@pytest.fixture
async def s3_away() -> AsyncIterator[BlobStore]:
    threads = Threads("test-s3", 1)
    store = BlobStore("127.0.0.1:1", "key", "secret", "sweep", threads=threads, deadline=0.1)
    yield store
    store.close()
    threads.close()


class Studies:
    """Studies of one origin that are fetched now, and read when the test says so."""

    def __init__(self, bus: Bus, blobs: BlobStore, origin: str) -> None:
        self._bus = bus
        self._blobs = blobs
        self.origin = origin
        self.now = time.time()

    async def fetch(self, *studies: str, whole: bool = True) -> None:
        """Hold something of studies, of which one that is not whole has no manifest."""
        for study in studies:
            await self._blobs.put(held_key(self.origin, study, SERIES, "1", "d"), bytes(SIZE - 10))
            await self._blobs.put(derived_key(self.origin, study, SERIES, "metadata-d"), bytes(10))
            if whole:
                await self._blobs.put(manifest_key(self.origin, study), b"x")

    async def read(self, study: str, seconds: float) -> None:
        """Read a study so long after it was fetched."""
        subject = f"$KV.READS.{self.origin}.{token(study)}"
        await self._bus.jetstream.publish(subject, encode(LastRead(self.origin, study, self.now + seconds)))

    async def sweep(self, seconds: float, max_bytes: int) -> Swept:
        """Sweep so long after they were fetched."""
        return await Sweeper(self._bus, self._blobs, max_bytes).sweep(self.now + seconds)

    async def left(self) -> set[str]:
        """Give the studies of which anything is left."""
        return {one.study for one in await usage(self._blobs, LastReads(self._bus), self.origin)}


@pytest.fixture
def studies(bus: Bus, blobs: BlobStore, origin_name: str) -> Studies:
    return Studies(bus, blobs, origin_name)


LATER = KEPT_SECONDS + 300.0


async def test_an_s3_that_is_away_is_told_once_until_it_is_back(
    bus: Bus, blobs: BlobStore, s3_away: BlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweeper = Sweeper(bus, s3_away, 0)
    with capture_logs() as logs:
        for store in (s3_away, s3_away, blobs, s3_away):
            monkeypatch.setattr(sweeper, "_blobs", store)
            await sweeper.turn(time.time())
    assert [line["event"] for line in logs] == ["cache not swept", "cache not swept"]
    assert logs[0]["detail"].startswith("S3 list: ")


async def test_without_nats_nothing_is_deleted(
    nats_settings: Nats, blobs: BlobStore, studies: Studies
) -> None:
    await studies.fetch("1")
    bus = await Bus.connect(nats_settings, "test")
    await bus.close()
    with capture_logs() as logs:
        await Sweeper(bus, blobs, 0).turn(studies.now + LATER)
    assert [line["event"] for line in logs] == ["cache not swept"]
    assert await studies.left() == {"1"}


async def test_a_study_of_which_a_job_is_at_work_stays(bus: Bus, studies: Studies) -> None:
    await studies.fetch("1", "2")
    async with guard(bus, studies.origin, "1", None):
        assert await studies.sweep(LATER, 0) == Swept(SIZE, 1, SIZE)
    assert await studies.left() == {"1"}


async def test_a_study_of_which_a_job_waits_for_its_next_worker_stays(bus: Bus, studies: Studies) -> None:
    await studies.fetch("1")
    await studies.fetch("2", whole=False)
    for study in ("1", "2"):
        await jobs.submit_retrieve(bus, Retrieve(studies.origin, study))
    assert await studies.sweep(LATER, 0) == Swept(2 * SIZE, 0, 0)


async def test_a_study_that_is_read_while_all_are_looked_at_stays(
    bus: Bus, blobs: BlobStore, studies: Studies
) -> None:
    await studies.fetch("1")
    (one,) = await usage(blobs, LastReads(bus), studies.origin)
    await studies.read("1", LATER)
    assert await evict(bus, Catalogue(blobs), one, unread_since=studies.now + LATER - 1) is None
    assert await studies.left() == {"1"}
    assert await evict(bus, Catalogue(blobs), one) == SIZE
    assert await studies.left() == set()


async def test_what_was_fetched_lately_stays_however_little_room_there_is(studies: Studies) -> None:
    await studies.fetch("1", "2")
    assert await studies.sweep(KEPT_SECONDS - 10, 0) == Swept(2 * SIZE, 0, 0)


async def test_what_was_read_lately_stays_however_little_room_there_is(studies: Studies) -> None:
    await studies.fetch("1", "2")
    await studies.read("1", LATER - KEPT_SECONDS + 1)
    await studies.read("2", LATER - KEPT_SECONDS - 1)
    assert await studies.sweep(LATER, 0) == Swept(SIZE, 1, SIZE)
    assert await studies.left() == {"1"}


async def test_where_there_is_room_everything_stays(studies: Studies) -> None:
    await studies.fetch("1", "2")
    assert await studies.sweep(1_000_000, 2 * SIZE) == Swept(2 * SIZE, 0, 0)


async def test_the_least_recently_read_go_until_the_others_fit(studies: Studies) -> None:
    await studies.fetch("1", "2", "3", "4")
    for study, seconds in (("1", 40), ("2", 30), ("3", 50), ("4", 20)):
        await studies.read(study, seconds)
    assert await studies.sweep(LATER, 2 * SIZE) == Swept(2 * SIZE, 2, 2 * SIZE)
    assert await studies.left() == {"1", "3"}


async def test_leftovers_of_jobs_go_first_and_also_where_there_is_room(studies: Studies) -> None:
    await studies.fetch("1", "2")
    await studies.fetch("3", whole=False)
    await studies.read("3", 30)
    assert await studies.sweep(KEPT_SECONDS, 1_000_000) == Swept(3 * SIZE, 0, 0)
    assert await studies.sweep(LATER, 1_000_000) == Swept(2 * SIZE, 1, SIZE)
    assert await studies.left() == {"1", "2"}


async def test_what_was_made_from_a_study_that_lies_elsewhere_stays_where_there_is_room(
    blobs: BlobStore, studies: Studies
) -> None:
    """Of an inbox or a bucket: the instances are not held, and there is no manifest."""
    for study in ("1", "2"):
        await blobs.put(derived_key(studies.origin, study, SERIES, "metadata-d"), bytes(SIZE))
    await studies.read("2", 30)
    assert await studies.sweep(LATER, 2 * SIZE) == Swept(2 * SIZE, 0, 0)
    assert await studies.sweep(LATER, SIZE) == Swept(SIZE, 1, SIZE)
    assert await studies.left() == {"2"}


async def test_a_study_leaves_nothing_behind(blobs: BlobStore, studies: Studies) -> None:
    await studies.fetch("1")
    await studies.sweep(LATER, 0)
    assert [listed.key async for listed in blobs.list("")] == []


async def test_what_is_held_and_what_went_is_counted(bus: Bus, blobs: BlobStore, studies: Studies) -> None:
    await studies.fetch("1", "2")
    with capture_logs() as logs:
        await Sweeper(bus, blobs, SIZE).turn(studies.now + LATER)
    assert [(line["event"], line["freed"]) for line in logs] == [("cache swept", SIZE)]
    metrics = metrics_text().decode()
    assert f'isthmus_cache_evictions_total{{dicom_origin="{studies.origin}"}} 1.0' in metrics
    assert f"isthmus_cache_size_bytes {SIZE}.0" in metrics


async def test_of_all_workers_one_sweeps_at_a_time_and_another_when_it_is_gone(
    bus: Bus, nats_settings: Nats, blobs: BlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("isthmus.common.bus.turns.EVERY_SECONDS", 0.02)
    turns: asyncio.Queue[Sweeper] = asyncio.Queue()
    at_it: set[Sweeper] = set()

    async def turn(sweeper: Sweeper, now: float) -> None:
        assert not at_it
        at_it.add(sweeper)
        turns.put_nowait(sweeper)
        await asyncio.sleep(0.05)  # as long as it takes: the others try meanwhile
        at_it.remove(sweeper)

    monkeypatch.setattr(Sweeper, "turn", turn)
    other_bus = await Bus.connect(nats_settings, "another")
    sweepers = [Sweeper(one, blobs, 0) for one in (bus, other_bus)]
    running = {one: asyncio.create_task(one.run()) for one in sweepers}
    async with asyncio.timeout(PATIENCE):
        for _ in range(5):
            first = await turns.get()
        await end_tasks([running.pop(first)])
        at_it.clear()
        while await turns.get() is first:
            pass
    await end_tasks(running.values())
    await other_bus.close()
