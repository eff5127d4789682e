"""Storing into an inbox: what a job names goes the one way in, byte for byte, once."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from io import BytesIO
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

from isthmus.common.blobs import BlobStore, inbox_key, spool_key
from isthmus.common.bus import Bus, streams
from isthmus.common.bus.jobs import work
from isthmus.common.bus.stores import new_job, run_store
from isthmus.common.bus.subjects import token
from isthmus.common.config import Conflicts, Inbox
from isthmus.common.inbox.deposit import Deposited, Deposits, Incoming
from isthmus.common.messages import BlobRef, InstanceStored, Store, encode
from isthmus.common.messages.events import InstanceEvent
from isthmus.common.threads import Threads
from isthmus.web_scu.inbox.head import HEADS, incoming
from isthmus.web_scu.inbox.store import SMALL_BYTES, StoreWork
from tests.common.inbox.studies import arrived, inbox_of, study_of
from tests.data_sets import make_series, with_sop_instance_uid
from tests.scp.stream import instance_events
from tests.wado.serving import ended

SUCCESS = 0x0000


@pytest.fixture
def job() -> str:
    return new_job()


@pytest.fixture(autouse=True)
def _nobody_lists(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is no arrivals."""
    monkeypatch.setattr("isthmus.web_scu.inbox.listed.LISTED_SECONDS", 0.01)


async def spooled(blobs: BlobStore, job: str, files: Sequence[bytes]) -> tuple[BlobRef, ...]:
    """Put files where stow would."""
    refs = []
    for number, data in enumerate(files):
        key = spool_key(job, number)
        await blobs.put(key, data)
        refs.append(
            BlobRef(blobs.bucket, key, len(data), "1", "2", "3", CTImageStorage, ExplicitVRLittleEndian)
        )
    return tuple(refs)


async def results_of(bus: Bus, store: Store) -> list[InstanceStored]:
    async with run_store(bus, store) as results:
        return sorted([one async for one in results], key=lambda one: one.index)


async def events_of(bus: Bus, inbox: str) -> list[InstanceEvent]:
    """Give the events of an inbox until now."""
    return [event.data for event in await instance_events(bus, inbox)]


def key_of(inbox: str, data: bytes) -> str:
    digest = hashlib.sha256(data).hexdigest()
    uids = incoming(data, len(data), digest).identity
    return inbox_key(inbox, uids.study_instance_uid, uids.series_instance_uid, uids.sop_instance_uid, digest)


@pytest.fixture
def contents(files: list[Path]) -> list[bytes]:
    return [file.read_bytes() for file in files]


@pytest.mark.usefixtures("served")
async def test_what_is_stored_is_there_byte_for_byte_and_told_once(
    bus: Bus, blobs: BlobStore, origin_name: str, job: str, contents: list[bytes]
) -> None:
    results = await results_of(bus, Store(origin_name, job, await spooled(blobs, job, contents)))
    assert [(one.index, one.status, one.failure) for one in results] == [
        (index, SUCCESS, None) for index in range(len(contents))
    ]
    assert [await blobs.get(key_of(origin_name, data)) for data in contents] == contents
    events = await events_of(bus, origin_name)
    assert {event.blob.key for event in events} == {key_of(origin_name, data) for data in contents}
    # The same again is no news.
    again = new_job()
    results = await results_of(bus, Store(origin_name, again, await spooled(blobs, again, contents)))
    assert {one.status for one in results} == {SUCCESS}
    assert len(await events_of(bus, origin_name)) == len(contents)


@pytest.mark.usefixtures("served")
async def test_a_large_instance_goes_through_in_pieces(
    bus: Bus, blobs: BlobStore, origin_name: str, job: str, tmp_path: Path
) -> None:
    (file,) = make_series(tmp_path, 1, rows=1536, columns=1536)
    data = file.read_bytes()
    assert len(data) > SMALL_BYTES
    (result,) = await results_of(bus, Store(origin_name, job, await spooled(blobs, job, [data])))
    assert result.status == SUCCESS
    assert await blobs.get(key_of(origin_name, data)) == data


@pytest.mark.usefixtures("served")
@pytest.mark.parametrize("size", [2 * HEADS[0], SMALL_BYTES + 1])
async def test_much_may_come_before_the_uids(
    bus: Bus, blobs: BlobStore, origin_name: str, job: str, files: list[Path], size: int
) -> None:
    dataset = dcmread(files[0])
    dataset.add_new(0x00090010, "LO", "ACME")
    dataset.add_new(0x00091001, "OB", bytes(size))
    written = BytesIO()
    dataset.save_as(written)
    (result,) = await results_of(
        bus, Store(origin_name, job, await spooled(blobs, job, [written.getvalue()]))
    )
    assert (result.status, result.failure) == (SUCCESS, None)


@pytest.mark.usefixtures("served")
async def test_what_comes_into_a_study_that_cannot_be_read_is_not_stored_and_the_others_are(
    bus: Bus, blobs: BlobStore, origin_name: str, job: str, contents: list[bytes], files: list[Path]
) -> None:
    subject = f"$KV.{streams.INBOXES_BUCKET}.{token(origin_name)}.{token(study_of(files[0]))}"
    await bus.jetstream.publish(subject, b"of another version")
    try:
        results = await results_of(bus, Store(origin_name, job, await spooled(blobs, job, contents)))
    finally:
        await bus.jetstream.purge_stream(f"KV_{streams.INBOXES_BUCKET}", subject=subject)
    assert [one.failure.kind if one.failure else None for one in results] == [*5 * ["ContractError"], None]
    assert len(await events_of(bus, origin_name)) == 1


@pytest.mark.usefixtures("served")
async def test_refs_may_be_in_a_manifest(
    bus: Bus, blobs: BlobStore, origin_name: str, job: str, contents: list[bytes]
) -> None:
    refs = await spooled(blobs, job, contents)
    manifest = spool_key(job, len(refs))
    await blobs.put(manifest, encode(Store(origin_name, job, refs)))
    results = await results_of(bus, Store(origin_name, job, manifest=manifest))
    assert [one.status for one in results] == [SUCCESS] * len(contents)


@pytest.mark.usefixtures("served")
async def test_what_cannot_be_stored_does_not_hold_up_the_others(
    bus: Bus, blobs: BlobStore, origin_name: str, job: str, contents: list[bytes]
) -> None:
    refs = await spooled(blobs, job, [b"no DICOM", contents[0], contents[1], contents[0][:200]])
    await blobs.delete(refs[2].key)
    results = await results_of(bus, Store(origin_name, job, refs))
    assert [one.status for one in results] == [0xC000, SUCCESS, 0x0110, 0xC000]
    kinds = [one.failure.kind if one.failure else None for one in results]
    assert kinds == ["OperationFailed", None, "BlobMissing", "OperationFailed"]
    assert len(await events_of(bus, origin_name)) == 1


@pytest.mark.usefixtures("served")
@pytest.mark.parametrize("size", [1000, SMALL_BYTES + 1])
async def test_what_breaks_off_in_its_pixels_is_refused(
    bus: Bus, blobs: BlobStore, origin_name: str, job: str, contents: list[bytes], size: int
) -> None:
    dataset = dcmread(BytesIO(contents[0]))
    dataset.PixelData = bytes(size + size % 2)
    written = BytesIO()
    dataset.save_as(written)
    whole = written.getvalue()
    refs = await spooled(blobs, job, [whole[:-1], whole])
    results = await results_of(bus, Store(origin_name, job, refs))
    assert [one.status for one in results] == [0xC000, SUCCESS]
    assert len(await events_of(bus, origin_name)) == 1


@pytest.mark.usefixtures("served")
async def test_what_no_url_could_name_is_refused(
    bus: Bus, blobs: BlobStore, origin_name: str, job: str, contents: list[bytes]
) -> None:
    """It would be acknowledged and out of reach: not to be retrieved, not to be deleted."""
    refs = await spooled(blobs, job, [with_sop_instance_uid(contents[0], "../1.2"), contents[1]])
    results = await results_of(bus, Store(origin_name, job, refs))
    assert [one.status for one in results] == [0x0117, SUCCESS]
    assert len(await events_of(bus, origin_name)) == 1


@pytest.mark.usefixtures("served")
async def test_the_job_ends_when_what_is_new_can_be_found(
    bus: Bus,
    blobs: BlobStore,
    origin_name: str,
    job: str,
    contents: list[bytes],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("isthmus.web_scu.inbox.listed.LISTED_SECONDS", 20)
    refs = await spooled(blobs, job, contents)
    storing = asyncio.create_task(results_of(bus, Store(origin_name, job, refs)))
    while len(await events_of(bus, origin_name)) < len(contents):
        assert not storing.done()
    assert not storing.done()
    await arrived(bus, blobs, origin_name, contents)
    assert len(await storing) == len(contents)


class TestRefusingConflicts:
    @pytest.fixture
    def inbox(self, origin_name: str) -> Inbox:
        return inbox_of(origin_name).model_copy(update={"conflicts": Conflicts.REFUSE})

    @pytest.mark.usefixtures("served")
    async def test_other_bytes_under_a_known_uid_are_refused(
        self, bus: Bus, blobs: BlobStore, origin_name: str, job: str, contents: list[bytes]
    ) -> None:
        first = contents[0]
        changed = first[:-1] + bytes([first[-1] ^ 1])
        for data, status in ((first, SUCCESS), (changed, 0x0111), (first, SUCCESS)):
            job = new_job()
            (result,) = await results_of(bus, Store(origin_name, job, await spooled(blobs, job, [data])))
            assert result.status == status
        assert result.failure is None
        assert len(await events_of(bus, origin_name)) == 1
        assert await blobs.find(key_of(origin_name, changed)) is None


class Stuck(Deposits):
    """Takes one instance, and then no more."""

    def __init__(self, bus: Bus, blobs: BlobStore, base_url: str) -> None:
        super().__init__(bus, blobs, base_url)
        self.is_stuck = asyncio.Event()
        self._has_one = False

    async def deposit(
        self,
        inbox: Inbox,
        incoming: Incoming,
        write: Callable[[str], Awaitable[None]],
        *,
        may_rewrite: bool = False,
    ) -> Deposited:
        if self._has_one:
            self.is_stuck.set()
            await asyncio.Event().wait()
        self._has_one = True
        return await super().deposit(inbox, incoming, write, may_rewrite=may_rewrite)


async def test_a_job_that_is_given_back_goes_on_behind_what_was_answered(
    bus: Bus, blobs: BlobStore, inbox: Inbox, job: str, contents: list[bytes]
) -> None:
    stuck = Stuck(bus, blobs, "http://gateway")
    store = Store(inbox.name, job, await spooled(blobs, job, contents))

    def serve(deposits: Deposits) -> asyncio.Task[None]:
        storing = StoreWork(bus, blobs, inbox, deposits)
        return asyncio.create_task(work(bus, streams.STORES, inbox.name, Store, storing, at_once=1))

    first = serve(stuck)
    waiting = asyncio.create_task(results_of(bus, store))
    await stuck.is_stuck.wait()
    await ended([first])
    second = serve(Deposits(bus, blobs, "http://gateway"))
    results = await waiting
    await ended([second])
    assert [(one.index, one.status) for one in results] == [
        (index, SUCCESS) for index in range(len(contents))
    ]
    assert len(await events_of(bus, inbox.name)) == len(contents)


@pytest.fixture
async def away() -> AsyncIterator[BlobStore]:
    """S3 that is away."""
    threads = Threads("away", 4)
    yield BlobStore("127.0.0.1:1", "", "", "none", threads=threads, deadline=0.2)
    threads.close()


async def test_without_s3_nothing_is_said_to_be_stored(
    bus: Bus, blobs: BlobStore, away: BlobStore, inbox: Inbox, job: str, contents: list[bytes]
) -> None:
    storing = StoreWork(bus, away, inbox, Deposits(bus, away, "http://gateway"))
    serving = asyncio.create_task(work(bus, streams.STORES, inbox.name, Store, storing, at_once=1))
    results = await results_of(bus, Store(inbox.name, job, await spooled(blobs, job, contents)))
    await ended([serving])
    assert {one.status for one in results} == {0x0110}
    assert {one.failure.kind for one in results if one.failure} == {"StoreUnavailable"}
    assert not await events_of(bus, inbox.name)
