"""C-MOVE where something of ours or of the destination is not as it should be."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pydicom
import pytest

from isthmus.common.blobs import BlobStore
from isthmus.common.blobs.keys import inbox_prefix
from isthmus.common.config import Inbox
from isthmus.common.config.destinations import Destination
from isthmus.common.errors import StoreUnavailable
from isthmus.common.service import Parts
from isthmus.scp.worker import Server, serving
from tests.common.inbox.studies import arrived
from tests.data_sets import identity, make_series, raw_dataset
from tests.peers import Peer
from tests.scp.move.conftest import COUNT, destination_of
from tests.scp.move.receiver import Receiver
from tests.scp.retrieving.client import STUDY_ROOT, associate, move, wish
from tests.scp.retrieving.getter import Getter

SUCCESS, SOME_FAILED, ALL_FAILED = 0x0000, 0xB000, 0xA702


@pytest.fixture
def patience() -> float:
    """Seconds that the destination may be silent."""
    return 30.0


@pytest.fixture
def destinations(receiver: Receiver, patience: float) -> tuple[Destination, ...]:
    return (destination_of(receiver.peer, timeout_seconds=patience),)


@pytest.fixture
async def server(parts: Parts, inbox: Inbox, images: list[Path]) -> AsyncIterator[Server]:
    await arrived(parts.bus, parts.blobs, inbox.name, images)
    async with serving(parts) as running:
        yield running


@pytest.fixture
def study(images: list[Path]) -> str:
    return identity(images[0]).study_instance_uid


async def test_a_blob_that_is_lost_is_one_failure_and_not_the_end(
    called: Peer, parts: Parts, inbox: Inbox, receiver: Receiver, images: list[Path], study: str
) -> None:
    lost = identity(images[5]).sop_instance_uid
    keys = [blob.key async for blob in parts.blobs.list(inbox_prefix(inbox.name, study))]
    await parts.blobs.delete(next(key for key in keys if f"/{lost}/" in key))
    answer = await asyncio.to_thread(move, called, "RECEIVER", wish("STUDY", StudyInstanceUID=study))
    assert (answer.status, answer.counts) == (SOME_FAILED, (COUNT - 1, 1, 0))
    assert answer.failed_uids == [lost]
    assert answer.comment
    assert lost not in answer.comment


@pytest.mark.parametrize("patience", [1.0])
async def test_a_destination_that_falls_silent(
    called: Peer, receiver: Receiver, uids: list[str], study: str
) -> None:
    receiver.may_go_on.clear()
    answer = await asyncio.to_thread(move, called, "RECEIVER", wish("STUDY", StudyInstanceUID=study))
    receiver.may_go_on.set()
    assert (answer.status, answer.counts) == (ALL_FAILED, (0, COUNT, 0))
    assert set(answer.failed_uids) == set(uids)
    assert "silent" in answer.comment


async def test_a_large_instance_is_not_read_into_memory_at_once(
    called: Peer, parts: Parts, inbox: Inbox, receiver: Receiver, tmp_path: Path
) -> None:
    (large,) = await asyncio.to_thread(make_series, tmp_path, 1, rows=2048, columns=2048, seed=72)
    await arrived(parts.bus, parts.blobs, inbox.name, [large])
    wanted = wish("STUDY", StudyInstanceUID=identity(large).study_instance_uid)
    answer = await asyncio.to_thread(move, called, "RECEIVER", wanted)
    assert (answer.status, answer.counts) == (SUCCESS, (1, 0, 0))
    assert receiver.came[0].data == raw_dataset(large)


async def test_several_moves_share_the_associations_of_a_destination(
    called: Peer, receiver: Receiver, study: str
) -> None:
    wanted = wish("STUDY", StudyInstanceUID=study)
    answers = await asyncio.gather(
        *(asyncio.to_thread(move, called, "RECEIVER", wanted, message_id=n) for n in range(1, 6))
    )
    assert [answer.counts for answer in answers] == [(COUNT, 0, 0)] * 5
    assert len(receiver.came) == 5 * COUNT
    assert receiver.most_at_once <= 2
    assert {one.message_id for one in receiver.came} == {1, 2, 3, 4, 5}


async def test_an_association_is_used_again(called: Peer, receiver: Receiver, study: str) -> None:
    wanted = wish("STUDY", StudyInstanceUID=study)
    for _ in range(3):
        answer = await asyncio.to_thread(move, called, "RECEIVER", wanted)
        assert answer.status == SUCCESS
    assert receiver.associations <= 2


async def test_one_that_the_destination_dropped_meanwhile_is_opened_anew(
    called: Peer, receiver: Receiver, study: str
) -> None:
    wanted = wish("STUDY", StudyInstanceUID=study)
    await asyncio.to_thread(move, called, "RECEIVER", wanted)
    receiver.abort()
    await asyncio.to_thread(receiver.wait_until_closed)
    answer = await asyncio.to_thread(move, called, "RECEIVER", wanted)
    assert (answer.status, answer.counts) == (SUCCESS, (COUNT, 0, 0))


async def test_what_there_is_of_several_is_all_that_is_wanted(
    called: Peer, receiver: Receiver, study: str
) -> None:
    wanted = wish("STUDY", StudyInstanceUID=["1.2.3.999", study])
    answer = await asyncio.to_thread(move, called, "RECEIVER", wanted)
    assert (answer.status, answer.counts) == (SUCCESS, (COUNT, 0, 0))


@pytest.mark.parametrize("destination", ["RECEIVER", "GETTER"])
async def test_s3_that_is_away_is_not_waited_for_once_for_each_instance(
    called: Peer,
    receiver: Receiver,
    uids: list[str],
    study: str,
    destination: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[str] = []
    get = BlobStore.get

    async def away(blobs: BlobStore, key: str, **what: int) -> bytes:
        if not key.endswith(".dcm"):
            return await get(blobs, key, **what)
        asked.append(key)
        raise StoreUnavailable("S3 is away")

    monkeypatch.setattr(BlobStore, "get", away)
    wanted = wish("STUDY", StudyInstanceUID=study)
    if destination == "GETTER":
        answer = await asyncio.to_thread(Getter().get, called, wanted)
    else:
        answer = await asyncio.to_thread(move, called, destination, wanted)
    assert (answer.status, answer.counts) == (ALL_FAILED, (0, COUNT, 0))
    assert set(answer.failed_uids) == set(uids)
    assert answer.comment == "S3 is away"
    assert len(set(asked)) < COUNT


async def test_a_uid_that_fits_no_command_is_one_failure(
    called: Peer, parts: Parts, inbox: Inbox, receiver: Receiver, tmp_path: Path
) -> None:
    long = "1.2." + "3" * 70
    good, bad = await asyncio.to_thread(_one_with_uid, tmp_path, long)
    await arrived(parts.bus, parts.blobs, inbox.name, [good, bad])
    wanted = wish("STUDY", StudyInstanceUID=identity(good).study_instance_uid)
    answer = await asyncio.to_thread(move, called, "RECEIVER", wanted)
    assert (answer.status, answer.counts) == (SOME_FAILED, (1, 1, 0))
    assert answer.failed_uids == [long]
    assert long not in answer.comment


def _one_with_uid(directory: Path, sop_instance_uid: str) -> tuple[Path, Path]:
    good, bad = make_series(directory, 2, seed=73)
    data = pydicom.dcmread(bad)
    data["SOPInstanceUID"].validation_mode = 0
    data["SOPInstanceUID"].value = sop_instance_uid
    data.save_as(bad)
    return good, bad


async def test_a_service_that_stops_does_not_wait_for_a_destination(
    parts: Parts, inbox: Inbox, receiver: Receiver, images: list[Path], study: str
) -> None:
    receiver.may_go_on.clear()
    await arrived(parts.bus, parts.blobs, inbox.name, images)
    async with serving(parts) as running:
        called = Peer(inbox.ae_title, "127.0.0.1", running.port)
        association = await asyncio.to_thread(associate, called, f"{STUDY_ROOT}.2")
        responses = association.send_c_move(
            wish("STUDY", StudyInstanceUID=study), "RECEIVER", f"{STUDY_ROOT}.2"
        )
        await asyncio.to_thread(next, responses)
        await asyncio.to_thread(receiver.reached.wait, 20)
        began = asyncio.get_running_loop().time()
    assert asyncio.get_running_loop().time() - began < 5
    receiver.may_go_on.set()
    await asyncio.to_thread(receiver.wait_until_closed)
    await asyncio.to_thread(association.abort)
