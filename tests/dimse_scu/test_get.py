"""A C-GET, and the association that it leaves behind."""

import asyncio
from collections.abc import AsyncIterator
from secrets import token_hex

import pytest

from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus
from isthmus.common.config import DimseOrigin
from isthmus.common.dimse import AssociationPool, Peer
from isthmus.common.dimse.contexts import UNCOMPRESSED
from isthmus.common.errors import OriginCancelled
from isthmus.common.messages import Retrieve
from isthmus.common.retrieving.ask import Ask
from isthmus.common.retrieving.delivery import Delivery
from isthmus.common.retrieving.listing import Listed
from isthmus.common.retrieving.wording import Wording
from isthmus.common.threads import Threads
from isthmus.dimse_scu.cancellation import Cancellation
from isthmus.dimse_scu.get import Get
from tests.common.dimse.local_slots import LocalSlots
from tests.pacs import FaultyPacs, Kind, Operation, Slow
from tests.waiting import PATIENCE

CT = "1.2.840.10008.5.1.4.1.1.2"


@pytest.fixture
async def pool(pacs: FaultyPacs) -> AsyncIterator[AssociationPool]:
    origin = DimseOrigin(name="pacs", ae_title=pacs.peer.ae_title, port=pacs.peer.port, timeout_seconds=3)
    threads = Threads("test", 4)
    pool = AssociationPool(Peer.of(origin, "ISTHMUS"), LocalSlots(1), threads)
    yield pool
    await pool.close()
    threads.close()


def whole(study: str, series: str, uids: list[str], sop_class_uid: str = CT) -> Ask:
    return Ask.for_series(study, series, [Listed(series, uid, sop_class_uid, "CT") for uid in uids])


class Job:
    """A C-GET, and what it brings."""

    def __init__(self, bus: Bus, blobs: BlobStore, pool: AssociationPool, study: str) -> None:
        self.delivery = Delivery(bus, blobs, Retrieve("pacs", study), token_hex(4))
        self.cancellation = Cancellation()
        self._get = Get(pool, Threads("unused", 1), self.delivery, self.cancellation, UNCOMPRESSED, Wording())

    async def __call__(self, ask: Ask) -> set[str]:
        await self._get(ask)
        await self.delivery.settle()
        return self.delivery.received


async def test_who_is_done_cancels_nothing_of_whoever_has_the_association_next(
    bus: Bus,
    blobs: BlobStore,
    pool: AssociationPool,
    pacs: FaultyPacs,
    study: str,
    series: str,
    uids: list[str],
) -> None:
    ask = whole(study, series, uids)
    done, next_one = Job(bus, blobs, pool, study), Job(bus, blobs, pool, study)
    await done(ask)
    pacs.forget()
    pacs.behave(Slow(seconds=0.1))
    running = asyncio.create_task(next_one(ask))
    await asyncio.to_thread(pacs.wait_for, lambda event: event.kind is Kind.SENT)
    done.cancellation.request()
    assert await running == set(uids)
    assert pacs.cancels() == 0
    assert pacs.associations() == 0  # none that is new


async def test_nothing_is_asked_for_once_a_job_is_cancelled(
    bus: Bus,
    blobs: BlobStore,
    pool: AssociationPool,
    pacs: FaultyPacs,
    study: str,
    series: str,
    uids: list[str],
) -> None:
    job = Job(bus, blobs, pool, study)
    job.cancellation.request()
    with pytest.raises(OriginCancelled):
        await job(whole(study, series, uids))
    assert pacs.operations(Operation.GET) == []


@pytest.mark.parametrize("sop_class_uid", ["", "no-uid", "1." * 40 + "1"])
async def test_a_class_that_cannot_be_proposed_is_guessed_from_the_modality(
    bus: Bus,
    blobs: BlobStore,
    pool: AssociationPool,
    pacs: FaultyPacs,
    study: str,
    series: str,
    uids: list[str],
    sop_class_uid: str,
) -> None:
    job = Job(bus, blobs, pool, study)
    assert await job(whole(study, series, uids, sop_class_uid)) == set(uids)
    assert len(pacs.operations(Operation.GET)) == 1


async def test_a_get_that_is_broken_off_leaves_at_once_though_nothing_can_be_put(
    bus: Bus,
    blobs: BlobStore,
    pool: AssociationPool,
    study: str,
    series: str,
    uids: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stalled, go_on = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def stall(*_: object) -> None:
        loop.call_soon_threadsafe(stalled.set)
        asyncio.run_coroutine_threadsafe(go_on.wait(), loop).result(30)

    monkeypatch.setattr(blobs, "put_blocking", stall)
    job = Job(bus, blobs, pool, study)
    running = asyncio.create_task(job(whole(study, series, uids)))
    await stalled.wait()
    job.delivery.close()
    running.cancel()
    async with asyncio.timeout(PATIENCE):
        await asyncio.wait({running})
    go_on.set()
    assert running.cancelled()
