"""A C-GET, and the association that it leaves behind."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus
from isthmus.common.config import Origin
from isthmus.common.dicom.levels import Level
from isthmus.common.dimse import AssociationPool, Peer
from isthmus.common.messages import Retrieve
from isthmus.common.threads import Threads
from isthmus.dimse_scu.ask import Ask
from isthmus.dimse_scu.delivery import Delivery
from isthmus.dimse_scu.get import Get
from isthmus.dimse_scu.listing import Listed
from tests.common.dimse.local_slots import LocalSlots
from tests.pacs import FaultyPacs, Kind, Operation, Slow

CT = "1.2.840.10008.5.1.4.1.1.2"


@pytest.fixture
async def pool(pacs: FaultyPacs) -> AsyncIterator[AssociationPool]:
    origin = Origin(name="pacs", ae_title=pacs.peer.ae_title, port=pacs.peer.port, timeout_seconds=3)
    threads = Threads("test", 4)
    pool = AssociationPool(Peer.of(origin, "ISTHMUS"), LocalSlots(1), threads)
    yield pool
    await pool.close()
    threads.close()


def whole(study: str, series: str, uids: list[str], sop_class_uid: str = CT) -> Ask:
    listed = tuple(Listed(series, uid, sop_class_uid, "CT") for uid in uids)
    return Ask(Level.STUDY, Retrieve("pacs", study), listed)


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
    done = Get(pool, Delivery(bus, blobs, ask.wanted, "1-1"))
    await done(ask)
    pacs.forget()
    pacs.behave(Slow(seconds=0.1))
    delivery = Delivery(bus, blobs, ask.wanted, "1-2")
    running = asyncio.create_task(Get(pool, delivery)(ask))
    await asyncio.to_thread(pacs.wait_for, lambda event: event.kind is Kind.SENT)
    done.cancel()
    await running
    assert pacs.cancels() == 0
    assert delivery.received == set(uids)
    assert pacs.associations() == 0  # none that is new


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
    ask = whole(study, series, uids, sop_class_uid)
    delivery = Delivery(bus, blobs, ask.wanted, "1-1")
    await Get(pool, delivery)(ask)
    assert delivery.received == set(uids)
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
    ask = whole(study, series, uids)
    delivery = Delivery(bus, blobs, ask.wanted, "1-1")
    running = asyncio.create_task(Get(pool, delivery)(ask))
    await stalled.wait()
    delivery.close()
    running.cancel()
    async with asyncio.timeout(4):
        await asyncio.wait({running})
    go_on.set()
    assert running.cancelled()
