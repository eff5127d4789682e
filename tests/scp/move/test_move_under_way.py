"""C-MOVE while it goes on: Pending responses, C-CANCEL (PS3.4 C.4.2.3), and who is gone."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from pydicom.dataset import Dataset
from pynetdicom.association import Association

from isthmus.scp.asked import Asked, Stop
from tests.data_sets import identity
from tests.peers import Peer
from tests.scp.move.receiver import Receiver
from tests.scp.retrieving.client import STUDY_ROOT, Answer, associate, move, wish
from tests.waiting import PATIENCE

CANCELLED, ALL_FAILED = 0xFE00, 0xA702
MESSAGE_ID = 7

Responses = Iterator[tuple[Dataset, Dataset | None]]


@pytest.fixture
def told_to_stop(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Set when the face has been told by a client that it is to stop."""
    told, stop = threading.Event(), Asked.stop

    def stop_and_tell(self: Asked, why: Stop) -> None:
        stop(self, why)
        told.set()

    monkeypatch.setattr(Asked, "stop", stop_and_tell)
    return told


@asynccontextmanager
async def held_up(
    called: Peer, receiver: Receiver, images: list[Path]
) -> AsyncIterator[tuple[Association, Responses]]:
    """A C-MOVE whose first image the destination has, but does not answer yet."""
    receiver.may_go_on.clear()
    association = await asyncio.to_thread(associate, called, f"{STUDY_ROOT}.2")
    identifier = wish("STUDY", StudyInstanceUID=wanted(images))
    responses = association.send_c_move(identifier, "RECEIVER", f"{STUDY_ROOT}.2", msg_id=MESSAGE_ID)
    await asyncio.to_thread(next, responses)
    await asyncio.to_thread(receiver.reached.wait, 20)
    yield association, responses
    if association.is_established:
        await asyncio.to_thread(association.release)


def wanted(images: list[Path]) -> str:
    return identity(images[0]).study_instance_uid


async def test_pending_responses_tell_what_remains(
    called: Peer, receiver: Receiver, images: list[Path]
) -> None:
    receiver.may_go_on.clear()
    association = await asyncio.to_thread(associate, called, f"{STUDY_ROOT}.2")
    responses = association.send_c_move(
        wish("STUDY", StudyInstanceUID=wanted(images)), "RECEIVER", f"{STUDY_ROOT}.2"
    )
    answer = Answer()
    answer.take(*await asyncio.to_thread(next, responses))
    receiver.may_go_on.set()
    for status, identifier in await asyncio.to_thread(list, responses):
        answer.take(status, identifier)
    await asyncio.to_thread(association.release)
    first = answer.pending[0]
    assert (first.remaining, first.completed, first.failed, first.warning) == (len(images), 0, 0, 0)
    for told in answer.pending:
        assert (told.remaining or 0) + (told.completed or 0) == len(images)
    assert answer.counts == (len(images), 0, 0)


async def test_a_client_that_waits_hears_of_it_again_and_again(
    called: Peer, receiver: Receiver, images: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("isthmus.scp.retrieving.transfer.ALIVE_SECONDS", 0.1)
    receiver.may_go_on.clear()
    association = await asyncio.to_thread(associate, called, f"{STUDY_ROOT}.2")
    responses = association.send_c_move(
        wish("STUDY", StudyInstanceUID=wanted(images)), "RECEIVER", f"{STUDY_ROOT}.2"
    )
    answer = Answer()
    while not answer.pending or answer.pending[-1].remaining is None:  # not listed yet
        answer.take(*await asyncio.to_thread(next, responses))
    listed = len(answer.pending)
    for _ in range(3):  # and nothing happens meanwhile
        answer.take(*await asyncio.to_thread(next, responses))
    receiver.may_go_on.set()
    assert {(told.remaining, told.completed) for told in answer.pending[listed:]} == {(len(images), 0)}
    await asyncio.to_thread(_rest, responses, answer)
    await asyncio.to_thread(association.release)
    assert answer.counts == (len(images), 0, 0)


async def test_a_cancel_ends_it_with_the_counters_that_there_are(
    called: Peer, receiver: Receiver, images: list[Path], told_to_stop: threading.Event
) -> None:
    answer = Answer()
    async with held_up(called, receiver, images) as (association, responses):
        association.send_c_cancel(MESSAGE_ID, query_model=f"{STUDY_ROOT}.2")
        await asyncio.to_thread(told_to_stop.wait, 20)
        receiver.may_go_on.set()
        await asyncio.wait_for(asyncio.to_thread(_rest, responses, answer), PATIENCE)
    assert answer.status == CANCELLED
    assert answer.final is not None
    completed, remaining = answer.final.completed or 0, answer.final.remaining or 0
    assert completed + remaining == len(images)
    assert len(receiver.came) < len(images)


async def test_who_hangs_at_the_destination_does_not_hold_up_a_cancel(
    called: Peer, receiver: Receiver, images: list[Path]
) -> None:
    answer = Answer()
    async with held_up(called, receiver, images) as (association, responses):
        association.send_c_cancel(MESSAGE_ID, query_model=f"{STUDY_ROOT}.2")
        await asyncio.wait_for(asyncio.to_thread(_rest, responses, answer), 4)
        receiver.may_go_on.set()
    assert answer.status == CANCELLED


def _rest(responses: Responses, answer: Answer) -> None:
    for status, identifier in responses:
        answer.take(status, identifier)


Break = Callable[[Association], None]


@pytest.mark.parametrize("leave", [Association.abort, Association.release])
async def test_who_leaves_stops_it(
    called: Peer, receiver: Receiver, images: list[Path], leave: Break
) -> None:
    async with held_up(called, receiver, images) as (association, _):
        await asyncio.to_thread(leave, association)
        await asyncio.to_thread(receiver.wait_until_closed)
        receiver.may_go_on.set()
    assert len(receiver.came) < len(images)
    # And the next one is served.
    receiver.reset()
    answer = await asyncio.to_thread(move, called, "RECEIVER", wish("STUDY", StudyInstanceUID=wanted(images)))
    assert answer.counts == (len(images), 0, 0)


async def test_a_destination_that_is_away(
    called: Peer, images: list[Path], uids: list[str], away: str
) -> None:
    answer = await asyncio.to_thread(move, called, away, wish("STUDY", StudyInstanceUID=wanted(images)))
    assert (answer.status, answer.counts) == (ALL_FAILED, (0, len(images), 0))
    assert set(answer.failed_uids) == set(uids)
    assert "connection" in answer.comment.lower()


async def test_a_destination_that_breaks_off_gets_the_rest_over_a_new_association(
    called: Peer, receiver: Receiver, images: list[Path]
) -> None:
    def break_off_at_the_third(number: int) -> int:
        if number == 2:
            receiver.abort()
        return 0

    receiver.answer = break_off_at_the_third
    answer = await asyncio.to_thread(move, called, "RECEIVER", wish("STUDY", StudyInstanceUID=wanted(images)))
    completed, failed, warning = answer.counts
    assert (failed, warning) == (1, 0)
    assert completed == len(images) - 1
    assert len(answer.failed_uids) == 1
