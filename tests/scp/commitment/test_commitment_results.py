"""What is committed to: the truth about what is in S3."""

import asyncio
from dataclasses import replace

import pytest

from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus
from isthmus.common.config import Inbox, Protocol
from isthmus.common.inbox.state import Removal, States, StudyState
from isthmus.common.service import Parts
from isthmus.scp.commitment import committer, search
from tests.scp.commitment.asking import (
    Deposit,
    get,
    listed,
    nothing_waits,
    transaction,
)
from tests.scp.modality import (
    CT,
    MR,
    Modality,
    Result,
    action_information,
    ask,
    committed,
    failed,
    services,
    with_callers,
)
from tests.waiting import PATIENCE


async def test_what_is_there_is_committed_to_on_the_same_association(
    parts: Parts, deposit: Deposit, bus: Bus, inbox: Inbox
) -> None:
    for instance in ("1.2.3.4", "1.2.3.5"):
        await deposit(instance)
    uid, modality = transaction(), Modality()

    def run(port: int) -> Result:
        with modality.associated(port) as association:
            data = action_information(uid, (CT, "1.2.3.4"), (CT, "1.2.3.5"), (CT, "1.2.3.4"))
            assert ask(association, data).Status == 0
            return modality.here.get(timeout=PATIENCE)

    async with services(parts) as port:
        result = await asyncio.to_thread(run, port)
        event_type, information = result
        assert event_type == 1
        assert information.TransactionUID == uid
        assert "RetrieveAETitle" not in information  # nobody can retrieve from an inbox over DIMSE
        assert committed(result) == {"1.2.3.4", "1.2.3.5"}
        assert len(information.ReferencedSOPSequence) == 2
        assert "FailedSOPSequence" not in information
        await nothing_waits(bus, inbox)


async def test_what_is_not_there_or_is_of_another_class_is_said_to_have_failed(
    parts: Parts, deposit: Deposit
) -> None:
    for instance in ("1.2.3.4", "1.2.3.5"):
        await deposit(instance)
    modality = Modality()

    def run(port: int) -> Result:
        with modality.associated(port) as association:
            ask(
                association,
                action_information(transaction(), (CT, "1.2.3.4"), (MR, "1.2.3.5"), (CT, "1.2.3.6")),
            )
            return modality.here.get(timeout=PATIENCE)

    async with services(parts) as port:
        result = await asyncio.to_thread(run, port)
    assert result[0] == 2
    assert committed(result) == {"1.2.3.4"}
    assert failed(result) == {"1.2.3.5": 0x0119, "1.2.3.6": 0x0112}


async def test_a_blob_that_is_lost_or_cut_is_not_committed_to(
    parts: Parts, deposit: Deposit, blobs: BlobStore
) -> None:
    await deposit("1.2.3.4")
    await blobs.delete(await deposit("1.2.3.5"))
    await blobs.put(await deposit("1.2.3.6"), b"1")
    modality = Modality()

    def run(port: int) -> Result:
        with modality.associated(port) as association:
            references = [(CT, f"1.2.3.{number}") for number in (4, 5, 6)]
            ask(association, action_information(transaction(), *references))
            return modality.here.get(timeout=PATIENCE)

    async with services(parts) as port:
        result = await asyncio.to_thread(run, port)
    assert committed(result) == {"1.2.3.4"}
    assert failed(result) == {"1.2.3.5": 0x0112, "1.2.3.6": 0x0112}


async def test_what_is_in_the_lists_of_studies_is_found_however_long_ago(
    parts: Parts, bus: Bus, blobs: BlobStore, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("isthmus.scp.commitment.lists.NEWEST_RECORDS", 2)
    many = [f"1.7.{number}" for number in range(20)]
    await listed(bus, blobs, inbox, "1.7", *many)
    for number in range(8):
        await listed(bus, blobs, inbox, f"1.8.{number}", f"1.8.{number}.1")
    await blobs.put(f"contents/{inbox.name}/1.9/broken", b"no list")
    assert await States(bus).put(
        StudyState(inbox.name, "1.9", contents=f"contents/{inbox.name}/1.9/broken"), 0
    )
    assert await States(bus).put(StudyState(inbox.name, "1.10", contents="contents/replaced"), 0)
    modality = Modality()
    wanted = [*many, "1.8.0.1", "1.8.7.1", "1.8.8.1"]

    def run(port: int) -> Result:
        with modality.associated(port) as association:
            ask(association, action_information(transaction(), *((CT, uid) for uid in wanted)))
            return modality.here.get(timeout=PATIENCE)

    async with services(parts) as port:
        result = await asyncio.to_thread(run, port)
    assert committed(result) == set(wanted) - {"1.8.8.1"}
    assert failed(result) == {"1.8.8.1": 0x0112}


async def test_what_is_being_deleted_is_not_committed_to(
    parts: Parts, deposit: Deposit, bus: Bus, inbox: Inbox
) -> None:
    await deposit("1.2.3.4")
    states = States(bus)
    found = await states.get(inbox.name, "1.2.3")
    deleted = replace(found.state, life=1, removals=(Removal(life=1, instances=1),))
    assert await states.put(deleted, found.revision)
    modality = Modality()

    def run(port: int) -> Result:
        with modality.associated(port) as association:
            ask(association, action_information(transaction(), (CT, "1.2.3.4"), (CT, "1.2.3.5")))
            return modality.here.get(timeout=PATIENCE)

    await deposit("1.2.3.5")
    async with services(parts) as port:
        result = await asyncio.to_thread(run, port)
    assert committed(result) == {"1.2.3.5"}
    assert failed(result) == {"1.2.3.4": 0x0112}


async def test_what_another_inbox_has_is_not_committed_to(
    parts: Parts, deposit: Deposit, bus: Bus, blobs: BlobStore, inbox: Inbox
) -> None:
    await deposit("1.2.3.4")
    other = Inbox(name=f"{inbox.name}-b", protocol=Protocol.INBOX, ae_title="INBOX")
    modality = Modality()

    def run(port: int) -> Result:
        with modality.associated(port) as association:
            ask(association, action_information(transaction(), (CT, "1.2.3.4")))
            return modality.here.get(timeout=PATIENCE)

    async with services(with_callers(parts, other)) as port:
        result = await asyncio.to_thread(run, port)
    assert failed(result) == {"1.2.3.4": 0x0112}


async def test_an_image_that_comes_shortly_after_the_request_is_waited_for(
    parts: Parts, deposit: Deposit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(committer, "LOOKS", (0.0, *[0.1] * 100))
    modality = Modality()
    looked = asyncio.Event()
    look = search.Search.look

    async def watched(search: search.Search) -> None:
        await look(search)
        looked.set()

    monkeypatch.setattr(search.Search, "look", watched)
    async with services(parts) as port:
        with modality.associated(port) as association:
            await asyncio.to_thread(ask, association, action_information(transaction(), (CT, "1.2.3.4")))
            await looked.wait()
            await deposit("1.2.3.4")
            result = await get(modality.here)
    assert committed(result) == {"1.2.3.4"}
