"""C-STORE to an origin with `acknowledge = "spool"`: answered when it is held, and sent on afterwards."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from isthmus.arrivals.forwarding import forwarding
from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus, serve_queries
from isthmus.common.bus.dead import Buried, letters, replay
from isthmus.common.bus.forwards import enqueue
from isthmus.common.config import Settings
from isthmus.common.config.arriving import Arrivals
from isthmus.common.dimse import StoreResult
from isthmus.common.errors import BusUnavailable
from isthmus.common.messages import Failure, Forwarding
from isthmus.common.service import Parts
from isthmus.scp.commitment import committer, report
from isthmus.scp.worker import Server, serving
from tests.peers.process import eventually
from tests.scp.conftest import ANY_PORT, CT, PACS, Sending, send
from tests.scp.modality import committed, failed
from tests.scp.through.conftest import QUICK, nothing_is_on_its_way
from tests.scp.through.test_commitment_of_an_origin import Archive, result_of
from tests.stow.worker import Employ, Job

Dataset = Callable[..., bytes]


@pytest.fixture
def parts(bus: Bus, blobs: BlobStore, origin_name: str) -> Parts:
    cloud = {
        "name": origin_name,
        "protocol": "dicomweb",
        "ae_title": PACS,
        "url": "http://127.0.0.1:1/",
        "acknowledge": "spool",
    }
    settings = Settings.model_validate({"scp": {"listen": ANY_PORT}, "origins": [cloud]})
    return Parts(settings.model_copy(update={"arrivals": Arrivals(max_attempts=2)}), bus, blobs)


@pytest.fixture
async def server(parts: Parts) -> AsyncIterator[Server]:
    async with serving(parts) as running:
        yield running


async def send_one(server: Server, data: bytes) -> StoreResult:
    (result,) = await send(server, Sending(data), calling="CT1", called=PACS)
    return result


async def soon(condition: Callable[[], bool]) -> None:
    assert await asyncio.to_thread(eventually, condition)


class Destination:
    """What its worker got, and what it says to it; Success after all that it is told to say."""

    def __init__(self, *failures: Failure) -> None:
        self.jobs: list[Job] = []
        self.files: list[bytes] = []
        self._failures = list(failures)
        self._blobs: BlobStore | None = None

    def reading(self, blobs: BlobStore) -> "Destination":
        self._blobs = blobs
        return self

    @property
    def key(self) -> str:
        """Of the blob that it got last."""
        return self.jobs[-1].store.blobs[0].key

    async def __call__(self, job: Job) -> None:
        self.jobs.append(job)
        if self._blobs is not None:
            self.files.append(await self._blobs.get(self.key))
        if self._failures:
            failure = self._failures.pop(0)
            await job.answer_all(failure.status or 0x0110, failure)
        else:
            await job.answer_all(0x0000)


@asynccontextmanager
async def sending_on(parts: Parts) -> AsyncIterator[None]:
    async with forwarding(parts, QUICK):
        yield


async def buried_for(bus: Bus, origin: str) -> list[Buried]:
    return [buried async for buried in letters(bus, origin)]


async def test_it_is_answered_while_the_origin_is_away_and_sent_on_when_it_is_there(
    server: Server, parts: Parts, employ: Employ, blobs: BlobStore, dataset: Dataset, origin_name: str
) -> None:
    result = await send_one(server, dataset())
    assert (result.status, result.error_comment) == (0x0000, "")
    employ(there := Destination().reading(blobs))
    async with sending_on(parts):
        await soon(lambda: bool(there.jobs))
        await nothing_is_on_its_way(parts.bus, origin_name)
    assert [file.endswith(dataset()) for file in there.files] == [True]
    assert await blobs.size(there.key) is None


async def test_an_origin_that_is_busy_gets_it_later_and_no_attempt_is_counted(
    server: Server, parts: Parts, employ: Employ, blobs: BlobStore, dataset: Dataset, origin_name: str
) -> None:
    busy = Failure("HttpOperationFailed", "busy", origin_name, http_status=503)
    employ(there := Destination(busy, busy, busy))
    assert (await send_one(server, dataset())).status == 0x0000
    async with sending_on(parts):
        await soon(lambda: len(there.jobs) == 4)
        await nothing_is_on_its_way(parts.bus, origin_name)
    assert await blobs.size(there.key) is None
    assert await buried_for(parts.bus, origin_name) == []


async def test_what_the_origin_refuses_becomes_a_dead_letter_and_can_be_replayed(
    server: Server, parts: Parts, employ: Employ, blobs: BlobStore, dataset: Dataset, origin_name: str
) -> None:
    no = Failure("OperationFailed", "no", origin_name, 0xA900, "C-STORE")
    employ(there := Destination(no, no))
    assert (await send_one(server, dataset())).status == 0x0000
    async with sending_on(parts):
        await soon(lambda: len(there.jobs) == 2)
        await nothing_is_on_its_way(parts.bus, origin_name)
        (buried,) = await buried_for(parts.bus, origin_name)
        assert buried.letter.reason == "1 x A900"
        assert await blobs.size(there.key) is not None
        await replay(parts.bus, buried)
        await soon(lambda: len(there.jobs) == 3)
        await nothing_is_on_its_way(parts.bus, origin_name)
    assert await blobs.size(there.key) is None
    assert await buried_for(parts.bus, origin_name) == []


async def test_what_cannot_be_put_into_the_queue_is_not_promised_and_a_repeat_is_the_same(
    server: Server,
    parts: Parts,
    employ: Employ,
    dataset: Dataset,
    origin_name: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def fail(bus: Bus, waiting: Forwarding) -> None:
        await enqueue(bus, waiting)
        raise BusUnavailable("NATS does not say that it has it")

    with monkeypatch.context() as broken:
        broken.setattr("isthmus.scp.storing.onward.enqueue", fail)
        result = await send_one(server, dataset())
    assert (result.status, result.error_comment) == (0xA700, "NATS does not say that it has it")
    assert (await send_one(server, dataset())).status == 0x0000
    employ(there := Destination())
    async with sending_on(parts):
        await nothing_is_on_its_way(parts.bus, origin_name)
    assert len(there.jobs) == 1


async def test_what_is_lost_from_the_spool_is_told_by_a_dead_letter(
    server: Server, parts: Parts, employ: Employ, dataset: Dataset, origin_name: str
) -> None:
    missing = Failure("BlobMissing", "gone")
    employ(Destination(missing, missing))
    assert (await send_one(server, dataset())).status == 0x0000
    async with sending_on(parts):
        await nothing_is_on_its_way(parts.bus, origin_name)
    (buried,) = await buried_for(parts.bus, origin_name)
    assert buried.letter.reason == "1 x 0110 (BlobMissing)"


async def test_nothing_is_said_of_what_is_on_its_way_until_it_is_there(
    server: Server,
    parts: Parts,
    employ: Employ,
    dataset: Dataset,
    origin_name: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(committer, "LOOKS", (0.0,))
    monkeypatch.setattr(committer, "FIRST_DELAY", 0.1)
    monkeypatch.setattr(report, "QUIET_SECONDS", 0.05)
    assert (await send_one(server, dataset())).status == 0x0000
    archive = Archive()
    service = await serve_queries(parts.bus, origin_name, archive.search)
    asking = asyncio.create_task(result_of(server, (CT, "1.2.3.4"), (CT, "1.2.3.5")))

    async def take(job: Job) -> None:
        archive.holds.update(ref.sop_instance_uid for ref in await job.refs())
        await job.answer_all(0x0000)

    try:
        await soon(lambda: bool(archive.asked))
        employ(take)
        async with sending_on(parts):
            result = await asking
    finally:
        await service.finish()
    assert (committed(result), failed(result)) == ({"1.2.3.4"}, {"1.2.3.5": 0x0112})
