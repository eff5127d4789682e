"""C-MOVE while a PACS sends: images flow, and what the client gives up ends at the PACS too."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus
from isthmus.common.config import DimseOrigin, RetrieveMethod, Settings
from isthmus.common.config.settings import Scp
from isthmus.common.service import Parts
from isthmus.dimse_scu.worker import worker
from isthmus.scp.worker import Server, serving
from tests.data_sets import identity, make_series
from tests.pacs import FailsSuboperations, FaultyPacs, Slow
from tests.pacs.events import Kind
from tests.peers import Peer, free_port, movescu
from tests.scp.conftest import ANY_PORT
from tests.scp.move.conftest import destination_of
from tests.scp.move.receiver import Receiver
from tests.scp.retrieving.client import STUDY_ROOT, Answer, associate, move, wish

COUNT = 10
CANCELLED, SOME_FAILED, ALL_FAILED = 0xFE00, 0xB000, 0xA702


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return make_series(tmp_path_factory.mktemp("slow"), COUNT, seed=91)


@pytest.fixture(scope="module")
def _pacs(images: list[Path]) -> Iterator[FaultyPacs]:
    with FaultyPacs(images) as pacs:
        yield pacs


@pytest.fixture
def pacs(_pacs: FaultyPacs) -> FaultyPacs:
    return _pacs.renewed(Slow(seconds=0.3))


@pytest.fixture
def wanted(images: list[Path]) -> str:
    """Its Study Instance UID."""
    return identity(images[0]).study_instance_uid


@pytest.fixture
async def server(
    bus: Bus, blobs: BlobStore, origin_name: str, pacs: FaultyPacs, receiver: Receiver
) -> AsyncIterator[Server]:
    origin = DimseOrigin(
        name=origin_name,
        ae_title=pacs.peer.ae_title,
        host=pacs.peer.host,
        port=pacs.peer.port,
        retrieve=(RetrieveMethod.C_GET,),
    )
    nobody = Peer("AWAY", "127.0.0.1", free_port())
    scp = Scp(listen=ANY_PORT, destinations=(destination_of(receiver.peer), destination_of(nobody)))
    parts = Parts(Settings(scp=scp, origins=(origin,)), bus, blobs)
    async with worker(parts), serving(parts) as running:
        yield running


@pytest.fixture
def called(server: Server, pacs: FaultyPacs) -> Peer:
    return Peer(pacs.peer.ae_title, "127.0.0.1", server.port)


async def test_the_first_image_is_there_before_the_last_has_left(
    called: Peer, pacs: FaultyPacs, receiver: Receiver, wanted: str
) -> None:
    moving = asyncio.create_task(
        asyncio.to_thread(move, called, "RECEIVER", wish("STUDY", StudyInstanceUID=wanted))
    )
    await asyncio.to_thread(receiver.reached.wait, 20)
    assert len(pacs.sent()) < COUNT
    answer = await moving
    assert answer.counts == (COUNT, 0, 0)
    known = [told for told in answer.pending if told.remaining is not None]
    assert len(known) > COUNT // 2
    for told in known:
        assert (told.remaining or 0) + (told.completed or 0) == COUNT


async def test_a_cancel_reaches_the_pacs(
    called: Peer, pacs: FaultyPacs, receiver: Receiver, wanted: str
) -> None:
    association = await asyncio.to_thread(associate, called, f"{STUDY_ROOT}.2")
    responses = association.send_c_move(
        wish("STUDY", StudyInstanceUID=wanted), "RECEIVER", f"{STUDY_ROOT}.2", msg_id=5
    )
    await asyncio.to_thread(next, responses)
    association.send_c_cancel(5, query_model=f"{STUDY_ROOT}.2")
    answer = Answer()
    for status, identifier in await asyncio.to_thread(list, responses):
        answer.take(status, identifier)
    assert answer.status == CANCELLED
    event = await asyncio.to_thread(
        pacs.wait_for, lambda event: event.kind is Kind.CANCELLED, timeout_seconds=20
    )
    assert event.kind is Kind.CANCELLED
    assert len(pacs.sent()) < COUNT
    await asyncio.to_thread(association.release)


async def test_an_abort_of_the_client_ends_it_at_the_pacs(
    called: Peer, pacs: FaultyPacs, receiver: Receiver, wanted: str
) -> None:
    association = await asyncio.to_thread(associate, called, f"{STUDY_ROOT}.2")
    responses = association.send_c_move(wish("STUDY", StudyInstanceUID=wanted), "RECEIVER", f"{STUDY_ROOT}.2")
    await asyncio.to_thread(next, responses)
    await asyncio.to_thread(association.abort)
    await asyncio.to_thread(pacs.wait_for, lambda event: event.kind is Kind.CANCELLED, timeout_seconds=20)
    assert len(pacs.sent()) < COUNT


async def test_what_the_pacs_does_not_deliver_is_counted_and_named(
    called: Peer, pacs: FaultyPacs, receiver: Receiver, images: list[Path], wanted: str
) -> None:
    lost = identity(images[4]).sop_instance_uid
    pacs.behave(FailsSuboperations(statuses={lost: 0xA700}))
    answer = await asyncio.to_thread(move, called, "RECEIVER", wish("STUDY", StudyInstanceUID=wanted))
    assert (answer.status, answer.counts) == (SOME_FAILED, (COUNT - 1, 1, 0))
    assert answer.failed_uids == [lost]
    assert answer.comment


async def test_a_destination_that_is_away_is_not_waited_for(
    called: Peer, pacs: FaultyPacs, receiver: Receiver, images: list[Path], wanted: str
) -> None:
    answer = await asyncio.to_thread(move, called, "AWAY", wish("STUDY", StudyInstanceUID=wanted))
    assert (answer.status, answer.counts) == (ALL_FAILED, (0, COUNT, 0))
    assert set(answer.failed_uids) == {identity(image).sop_instance_uid for image in images}
    assert len(pacs.sent()) < COUNT


async def test_dcmtk_cancels(called: Peer, pacs: FaultyPacs, receiver: Receiver, wanted: str) -> None:
    keys = {"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": wanted}
    outcome = await asyncio.to_thread(movescu, called, "RECEIVER", keys, cancel_after=2)
    assert "FE00" in outcome.log.upper(), outcome.log
    await asyncio.to_thread(pacs.wait_for, lambda event: event.kind is Kind.CANCELLED, timeout_seconds=20)
    assert len(receiver.came) < COUNT
