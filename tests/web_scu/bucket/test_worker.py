"""The verbs of the contract over a bucket: search, retrieve, echo."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import pytest

from isthmus.common.blobs import BlobStore, buckets_of
from isthmus.common.bus import Bus, progress, search, serve_queries, streams, subjects
from isthmus.common.bus.jobs import submit_retrieve
from isthmus.common.config import S3Origin
from isthmus.common.dicom.attributes import tag_of
from isthmus.common.dicom.json_values import DicomJson
from isthmus.common.dicom.levels import Level
from isthmus.common.dicom.matching import MatchingKey
from isthmus.common.dicom.search_attributes import DEFAULT_RETURN
from isthmus.common.errors import NoSuchObject, StoreUnavailable
from isthmus.common.inbox.catalogue import CatalogueWithInboxes
from isthmus.common.inbox.index import Index
from isthmus.common.messages import Echo, EchoDone, Query, Retrieve, RetrieveDone, retrieve_fact
from isthmus.common.retrieval import Retrieval
from isthmus.common.service import Parts
from isthmus.web_scu.bucket.echo import BucketEchoWork
from isthmus.web_scu.bucket.refresh import Refresher
from isthmus.web_scu.bucket.scan import Completeness, Scanner
from isthmus.web_scu.bucket.search import BucketSearchWork
from isthmus.web_scu.worker import worker
from tests.wado.serving import ended
from tests.waiting import PATIENCE
from tests.web_scu.bucket.objects import Archive, place_of, study_of


@pytest.fixture
def retrieval(bus: Bus, catalogue: CatalogueWithInboxes) -> Retrieval:
    """As wado and scp read."""
    return Retrieval(bus, catalogue, 0)


async def found(bus: Bus, origin: S3Origin, level: Level, *keys: MatchingKey) -> list[DicomJson]:
    async with search(bus, Query(origin.name, level, keys, DEFAULT_RETURN[level])) as matches:
        return [match async for match in matches]


@asynccontextmanager
async def answering(bus: Bus, origin: S3Origin, work: BucketSearchWork, index: Index) -> AsyncIterator[None]:
    """Answer searches of a bucket by this work, and nobody else's."""
    async with index.following():
        served = await serve_queries(bus, origin.name, work)
        yield
        await served.finish()


def key(keyword: str, *values: str) -> MatchingKey:
    return MatchingKey((tag_of(keyword),), values)


@pytest.mark.usefixtures("served")
async def test_what_was_scanned_is_found_at_every_level(
    scanner: Scanner, bus: Bus, archive: Archive, files: list[Path]
) -> None:
    await archive.put(files)
    await scanner.scan()
    assert len(await found(bus, archive.origin, Level.STUDY)) == 2
    study = key("StudyInstanceUID", study_of(files[0]))
    (match,) = await found(bus, archive.origin, Level.STUDY, study)
    assert match["00201208"] == {"vr": "IS", "Value": [5]}
    assert match["00080054"] == {"vr": "AE", "Value": ["ARCHIVE"]}
    assert match["00100020"]["Value"]
    series = await found(bus, archive.origin, Level.SERIES, study)
    assert [one["00201209"]["Value"] for one in series] == [[3], [2]]
    assert len(await found(bus, archive.origin, Level.IMAGE, study)) == 5
    assert await found(bus, archive.origin, Level.STUDY, key("PatientID", "nobody")) == []


async def test_before_all_was_read_no_search_says_what_there_is(
    scanner: Scanner, bus: Bus, archive: Archive, refresher: Refresher, files: list[Path]
) -> None:
    index = Index(bus)
    work = BucketSearchWork(bus, archive.blobs, archive.bucket, archive.origin, index, refresher)
    async with answering(bus, archive.origin, work, index):
        with pytest.raises(StoreUnavailable, match="was not read to its end yet"):
            await found(bus, archive.origin, Level.STUDY)
        await archive.put(files)
        await scanner.scan()
        assert len(await found(bus, archive.origin, Level.STUDY)) == 2


async def test_studies_that_are_named_are_found_before_any_scan_has_seen_them(
    bus: Bus, refresher: Refresher, archive: Archive, files: list[Path]
) -> None:
    index = Index(bus)
    work = BucketSearchWork(bus, archive.blobs, archive.bucket, archive.origin, index, refresher)
    await archive.put(files)

    async def found_of(*studies: str, level: Level = Level.IMAGE) -> int:
        return len(await found(bus, archive.origin, level, key("StudyInstanceUID", *studies)))

    first, other = study_of(files[0]), study_of(files[5])
    async with answering(bus, archive.origin, work, index):
        assert await found_of(first) == 5
        assert await found_of(first, other) == 6
        assert await found_of(first, level=Level.STUDY) == 1
        assert await found_of("1.2.3") == 0
        with pytest.raises(StoreUnavailable, match="was not read to its end yet"):
            await found_of(first, "*")


@pytest.mark.usefixtures("served")
async def test_what_no_scan_has_seen_yet_is_read_when_it_is_asked_for(
    bus: Bus, archive: Archive, retrieval: Retrieval, files: list[Path]
) -> None:
    await archive.put(files[:3])
    async with retrieval.read(Retrieve(archive.origin.name, study_of(files[0]))) as reading:
        refs = [ref async for ref in reading]
    assert await archive.read(refs) == sorted(file.read_bytes() for file in files[:3])
    await archive.put(files[3:5])
    place = place_of(files[4])
    async with retrieval.read(
        Retrieve(archive.origin.name, place.study, place.series, place.instance)
    ) as reading:
        (ref,) = [ref async for ref in reading]
    assert await archive.blobs.get(ref.key) == files[4].read_bytes()


@pytest.mark.usefixtures("served")
async def test_what_is_not_there_is_no_such_object(
    archive: Archive, retrieval: Retrieval, files: list[Path]
) -> None:
    await archive.put(files)
    study = study_of(files[0])
    for wanted in (
        Retrieve(archive.origin.name, "1.2.3"),
        Retrieve(archive.origin.name, study, "1.2.3", "4"),
    ):
        with pytest.raises(NoSuchObject):
            async with retrieval.read(wanted):
                pass


@pytest.mark.usefixtures("served")
async def test_a_reader_who_missed_something_has_the_study_looked_at(
    bus: Bus, refresher: Refresher, archive: Archive, files: list[Path]
) -> None:
    keys = await archive.put(files[:3])
    await refresher.refresh(study_of(files[0]))
    assert len(await archive.held(study_of(files[0]))) == 3
    await archive.bucket.delete(keys[1])
    before = (await bus.jetstream.stream_info(streams.JOBS)).state.last_seq
    await archive.catalogue.mend(archive.origin.name, study_of(files[0]))
    assert (await bus.jetstream.stream_info(streams.JOBS)).state.last_seq == before + 1
    submitted = await submit_retrieve(bus, Retrieve(archive.origin.name, study_of(files[0])))
    subject = subjects.progress(archive.origin.name, study_of(files[0]), submitted.generation)
    async with progress.follow(bus, subject, retrieve_fact, _yes) as facts:
        async for fact in facts:
            if isinstance(fact, RetrieveDone):
                break
    assert len(await archive.held(study_of(files[0]))) == 2


async def _yes() -> bool:
    return True


@pytest.mark.usefixtures("served")
async def test_a_bucket_answers(bus: Bus, origin: S3Origin) -> None:
    done = await bus.request(subjects.echo(origin.name), Echo(origin.name), EchoDone)
    assert done.failure is None
    assert done.latency_ms > 0


WRONG: Final = {
    "bucket": ({"bucket": "no-such-bucket"}, "list: 404 NoSuchBucket"),
    "access key": ({"access_key": "NOBODY"}, "list: 403 InvalidAccessKeyId"),
    "secret key": ({"secret_key": "not-to-be-told"}, "list: 403 SignatureDoesNotMatch"),
    "endpoint": ({"endpoint": "127.0.0.1:1"}, "list: Connection refused"),
}


@pytest.fixture(params=WRONG)
def wrong(
    request: pytest.FixtureRequest, origin: S3Origin, monkeypatch: pytest.MonkeyPatch
) -> tuple[S3Origin, str]:
    """An origin with a setting that is wrong, and what S3 says of it."""
    answers = request.param != "endpoint"  # what does not is tried again for all of that time
    monkeypatch.setattr("isthmus.web_scu.bucket.echo.WITHIN_SECONDS", PATIENCE if answers else 3.0)
    update, reason = WRONG[request.param]
    return origin.model_copy(update=update), f"The bucket of {origin.name!r}: {reason}"


@pytest.fixture
async def wrong_bucket(wrong: tuple[S3Origin, str]) -> AsyncIterator[BlobStore]:
    with buckets_of([wrong[0]]) as buckets:
        yield buckets[wrong[0].name]


async def test_what_is_wrong_with_a_bucket_is_said_by_its_echo(
    wrong_bucket: BlobStore, wrong: tuple[S3Origin, str]
) -> None:
    origin, reason = wrong
    done = await BucketEchoWork(wrong_bucket, origin)(Echo(origin.name))
    assert done.failure is not None
    assert done.failure.kind == "OriginUnreachable"
    assert (done.failure.origin, done.failure.detail) == (origin.name, reason)


async def test_what_is_wrong_with_a_bucket_is_said_by_a_search(
    bus: Bus,
    blobs: BlobStore,
    wrong_bucket: BlobStore,
    wrong: tuple[S3Origin, str],
    refresher: Refresher,
) -> None:
    origin, reason = wrong
    index = Index(bus)
    search_work = BucketSearchWork(bus, blobs, wrong_bucket, origin, index, refresher)
    async with answering(bus, origin, search_work, index):
        with pytest.raises(StoreUnavailable) as raised:
            await found(bus, origin, Level.STUDY)
    assert raised.value.detail == reason


async def test_the_worker_scans_by_itself(
    bus: Bus, archive: Archive, parts: Parts, files: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    await archive.put(files)
    tell, told = Completeness.tell, asyncio.Event()

    async def noting(self: Completeness, now: float) -> None:
        await tell(self, now)
        told.set()

    monkeypatch.setattr(Completeness, "tell", noting)
    async with worker(parts):
        async with asyncio.timeout(PATIENCE):
            await told.wait()
        assert len(await found(bus, archive.origin, Level.STUDY)) == 2


async def test_a_bucket_that_was_away_is_looked_at_again_long_before_it_would_be_else(
    scanner: Scanner,
    refresher: Refresher,
    archive: Archive,
    bus: Bus,
    files: list[Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await archive.put(files[:1])
    listing, refresh = archive.bucket.list, refresher.refresh
    broken, refreshed = [StoreUnavailable("S3 list: 500")], asyncio.Event()

    async def list_later(prefix: str, *, deadline: float | None = None) -> AsyncIterator[object]:
        if broken:
            raise broken.pop()
        async for one in listing(prefix, deadline=deadline):
            yield one

    async def noting(study: str) -> None:
        await refresh(study)
        refreshed.set()

    monkeypatch.setattr(archive.bucket, "list", list_later)
    monkeypatch.setattr(refresher, "refresh", noting)
    monkeypatch.setattr("isthmus.web_scu.bucket.scan.AGAIN_SECONDS", 0.01)
    daily = archive.origin.model_copy(update={"refresh_seconds": 86_400})
    running = asyncio.create_task(Scanner(bus, archive.bucket, daily, scanner._index, refresher).run())
    try:
        async with asyncio.timeout(PATIENCE):
            await refreshed.wait()
    finally:
        await ended([running])
    assert not broken
