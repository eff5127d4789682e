"""C-MOVE (PS3.4 C.4.2): what is wanted gets to the destination, byte for byte, and is counted."""

import asyncio
from pathlib import Path

from tests.data_sets import identity, raw_dataset
from tests.peers import Peer, Storescp, movescu
from tests.scp.move.receiver import Receiver
from tests.scp.retrieving.client import move, wish

SUCCESS, ALL_FAILED, SOME_FAILED, UNKNOWN_DESTINATION = 0x0000, 0xA702, 0xB000, 0xA801
REFUSED, COERCED = 0xA700, 0xB000


async def test_a_study_arrives_as_it_is_held(called: Peer, storescp: Storescp, images: list[Path]) -> None:
    study = identity(images[0]).study_instance_uid
    answer = await asyncio.to_thread(move, called, "STORESCP", wish("STUDY", StudyInstanceUID=study))
    assert (answer.status, answer.counts) == (SUCCESS, (len(images), 0, 0))
    sent = {identity(image).sop_instance_uid: [raw_dataset(image)] for image in images}
    assert storescp.datasets() == sent


async def test_dcmtk_moves_a_series(called: Peer, storescp: Storescp, images: list[Path]) -> None:
    uids = identity(images[0])
    keys = {
        "QueryRetrieveLevel": "SERIES",
        "StudyInstanceUID": uids.study_instance_uid,
        "SeriesInstanceUID": uids.series_instance_uid,
    }
    outcome = await asyncio.to_thread(movescu, called, "STORESCP", keys)
    assert outcome.code == 0, outcome.log
    assert len(storescp.datasets()) == len(images)


async def test_every_sub_operation_says_who_asked(
    called: Peer, receiver: Receiver, images: list[Path]
) -> None:
    study = identity(images[0]).study_instance_uid
    wanted = wish("STUDY", StudyInstanceUID=study)
    await asyncio.to_thread(move, called, "RECEIVER", wanted, message_id=4711)
    said = {(one.originator, one.message_id, one.priority, one.calling_ae_title) for one in receiver.came}
    assert said == {("WORKSTATION", 4711, 1, "ISTHMUS")}


async def test_an_unknown_destination(called: Peer, images: list[Path]) -> None:
    study = identity(images[0]).study_instance_uid
    answer = await asyncio.to_thread(move, called, "NOBODY", wish("STUDY", StudyInstanceUID=study))
    assert answer.status == UNKNOWN_DESTINATION
    assert "destination" in answer.comment.lower()


async def test_what_the_destination_refuses_is_counted_and_named(
    called: Peer, receiver: Receiver, images: list[Path]
) -> None:
    receiver.answer = lambda number: REFUSED if number % 2 else SUCCESS
    study = identity(images[0]).study_instance_uid
    answer = await asyncio.to_thread(move, called, "RECEIVER", wish("STUDY", StudyInstanceUID=study))
    half = len(images) // 2
    assert (answer.status, answer.counts) == (SOME_FAILED, (half, half, 0))
    refused = {one.sop_instance_uid for number, one in enumerate(receiver.came) if number % 2}
    assert set(answer.failed_uids) == refused
    assert len(answer.failed_uids) == half


async def test_all_of_it_refused(
    called: Peer, receiver: Receiver, images: list[Path], uids: list[str]
) -> None:
    receiver.answer = lambda _: REFUSED
    study = identity(images[0]).study_instance_uid
    answer = await asyncio.to_thread(move, called, "RECEIVER", wish("STUDY", StudyInstanceUID=study))
    assert (answer.status, answer.counts) == (ALL_FAILED, (0, len(images), 0))
    assert set(answer.failed_uids) == set(uids)


async def test_warnings_are_counted_apart(called: Peer, receiver: Receiver, images: list[Path]) -> None:
    receiver.answer = lambda number: COERCED if number == 3 else SUCCESS
    study = identity(images[0]).study_instance_uid
    answer = await asyncio.to_thread(move, called, "RECEIVER", wish("STUDY", StudyInstanceUID=study))
    assert (answer.status, answer.counts) == (SOME_FAILED, (len(images) - 1, 0, 1))
    assert answer.failed_uids == []


async def test_what_is_not_there(called: Peer) -> None:
    answer = await asyncio.to_thread(move, called, "STORESCP", wish("STUDY", StudyInstanceUID="1.2.3.999"))
    assert answer.status == 0xC000
    assert answer.comment
