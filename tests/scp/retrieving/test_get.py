"""C-GET (PS3.4 C.4.3): what is wanted comes over the association that asked."""

import asyncio
from pathlib import Path

import pytest
from pydicom.uid import CTImageStorage, MRImageStorage

from isthmus.scp.worker import Server
from tests.data_sets import identity, raw_dataset
from tests.peers import Peer, eventually, getscu
from tests.scp.retrieving.client import STUDY_ROOT, Answer, wish
from tests.scp.retrieving.getter import Getter

SUCCESS, ALL_FAILED, SOME_FAILED, CANCELLED = 0x0000, 0xA702, 0xB000, 0xFE00
REFUSED, COERCED = 0xA700, 0xB000


@pytest.fixture
def study(images: list[Path]) -> str:
    return identity(images[0]).study_instance_uid


async def test_a_study_comes_as_it_is_held(called: Peer, images: list[Path], study: str) -> None:
    getter = Getter()
    answer = await asyncio.to_thread(getter.get, called, wish("STUDY", StudyInstanceUID=study))
    assert (answer.status, answer.counts) == (SUCCESS, (len(images), 0, 0))
    assert getter.came == {identity(image).sop_instance_uid: raw_dataset(image) for image in images}


async def test_dcmtk_gets_a_series(called: Peer, images: list[Path], tmp_path: Path) -> None:
    uids = identity(images[0])
    keys = {
        "QueryRetrieveLevel": "SERIES",
        "StudyInstanceUID": uids.study_instance_uid,
        "SeriesInstanceUID": uids.series_instance_uid,
    }
    outcome = await asyncio.to_thread(getscu, called, tmp_path, keys)
    assert outcome.code == 0, outcome.log
    files = await asyncio.to_thread(lambda: list(tmp_path.iterdir()))
    assert {raw_dataset(file) for file in files} == {raw_dataset(image) for image in images}


async def test_what_the_client_refuses_is_counted_and_named(
    called: Peer, images: list[Path], study: str
) -> None:
    getter = Getter()
    getter.answer = lambda number: REFUSED if number % 2 else COERCED if number == 0 else SUCCESS
    answer = await asyncio.to_thread(getter.get, called, wish("STUDY", StudyInstanceUID=study))
    half = len(images) // 2
    assert (answer.status, answer.counts) == (SOME_FAILED, (half - 1, half, 1))
    assert set(answer.failed_uids) == {uid for number, uid in enumerate(getter.came) if number % 2}


@pytest.mark.parametrize(
    "getter", [Getter((MRImageStorage,)), Getter((CTImageStorage,), takes=False)], ids=["class", "role"]
)
async def test_what_the_client_did_not_negotiate_fails(
    called: Peer, uids: list[str], study: str, getter: Getter
) -> None:
    answer = await asyncio.to_thread(getter.get, called, wish("STUDY", StudyInstanceUID=study))
    assert (answer.status, answer.counts) == (ALL_FAILED, (0, len(uids), 0))
    assert set(answer.failed_uids) == set(uids)
    assert answer.comment
    assert not getter.came


async def test_the_status_of_a_cancel_is_a_refusal_too_and_said_to_be_one(
    called: Peer, uids: list[str], study: str
) -> None:
    getter = Getter()
    getter.answer = lambda _: CANCELLED
    answer = await asyncio.to_thread(getter.get, called, wish("STUDY", StudyInstanceUID=study))
    assert (answer.status, answer.counts) == (ALL_FAILED, (0, len(uids), 0))
    assert answer.comment == "C-STORE was cancelled"


async def test_pending_responses_tell_what_remains(called: Peer, images: list[Path], study: str) -> None:
    answer = await asyncio.to_thread(Getter().get, called, wish("STUDY", StudyInstanceUID=study))
    assert answer.pending
    for told in answer.pending:
        assert (told.remaining or 0) + (told.completed or 0) == len(images)


async def test_a_cancel_ends_it_between_two_instances(called: Peer, images: list[Path], study: str) -> None:
    getter = Getter()
    association = await asyncio.to_thread(getter.associate, called)

    def cancel_at_the_third(number: int) -> int:
        if number == 2:
            association.send_c_cancel(9, query_model=f"{STUDY_ROOT}.3")
        return SUCCESS

    getter.answer = cancel_at_the_third
    answer = Answer()

    def run() -> None:
        wanted = wish("STUDY", StudyInstanceUID=study)
        for status, identifier in association.send_c_get(wanted, f"{STUDY_ROOT}.3", msg_id=9):
            answer.take(status, identifier)
        association.release()

    await asyncio.to_thread(run)
    assert answer.status == CANCELLED
    assert answer.final is not None
    assert 3 <= (answer.final.completed or 0) < len(images)
    assert (answer.final.completed or 0) + (answer.final.remaining or 0) == len(images)
    assert len(getter.came) == answer.final.completed


async def test_an_association_is_good_for_more(called: Peer, images: list[Path], study: str) -> None:
    getter = Getter()
    association = await asyncio.to_thread(getter.associate, called)

    def run() -> list[int]:
        wanted = wish("STUDY", StudyInstanceUID=study)
        ends = []
        for _ in range(3):
            *_, (status, _) = association.send_c_get(wanted, f"{STUDY_ROOT}.3")
            ends.append(status.Status)
        association.release()
        return ends

    assert await asyncio.to_thread(run) == [SUCCESS] * 3
    assert len(getter.came) == len(images)


async def test_who_aborts_is_let_go(called: Peer, server: Server, images: list[Path], study: str) -> None:
    getter = Getter()
    association = await asyncio.to_thread(getter.associate, called)
    responses = association.send_c_get(wish("STUDY", StudyInstanceUID=study), f"{STUDY_ROOT}.3")
    await asyncio.to_thread(next, responses)
    await asyncio.to_thread(association.abort)
    assert await asyncio.to_thread(eventually, lambda: server.associations == 0, timeout_seconds=10)
    assert len(getter.came) < len(images)
    answer = await asyncio.to_thread(Getter().get, called, wish("STUDY", StudyInstanceUID=study))
    assert answer.counts == (len(images), 0, 0)
