"""Into an inbox: blob, then event; the same again, other bytes, after a deletion."""

import asyncio

import pytest

from isthmus.common.blobs import BlobStore, inbox_key
from isthmus.common.bus import Bus
from isthmus.common.config import Inbox
from isthmus.common.config.origins import Conflicts
from isthmus.common.errors import StoreUnavailable
from isthmus.common.inbox.contents import Contents
from isthmus.common.inbox.deposit import Deposited, Deposits, Incoming
from isthmus.common.telemetry import span
from tests.common.inbox.depositing import (
    CT,
    EXPLICIT,
    NEW,
    REFUSED,
    REPEATED,
    Send,
    events,
    held,
    incoming,
    listed,
    record,
)
from tests.waiting import PATIENCE


async def test_an_instance_is_in_s3_and_in_the_stream(
    bus: Bus, blobs: BlobStore, inbox: Inbox, send: Send
) -> None:
    with span("C-STORE"):
        assert await send(inbox, b"first") == NEW
    key = inbox_key(inbox.name, "1.2.3", "1.2.3.9", "1.2.3.4", incoming(b"first").digest)
    assert await held(blobs, inbox) == {key: b"first"}
    (event,) = await events(bus, inbox)
    data = event.data
    assert (data.study, data.series, data.instance) == ("1.2.3", "1.2.3.9", "1.2.3.4")
    assert (data.blob.bucket, data.blob.key, data.blob.size) == (blobs.bucket, key, 5)
    assert (data.sop_class, data.transfer_syntax) == (CT, EXPLICIT)
    assert data.url == (
        f"http://gateway:8080/aets/{inbox.name}/studies/1.2.3/series/1.2.3.9/instances/1.2.3.4"
    )
    assert (data.calling_ae_title, data.association, data.conflict) == ("CT1", "one", None)
    assert data.attributes == {"00100020": {"vr": "LO", "Value": ["4711"]}}


async def test_the_same_again_is_no_second_event(
    bus: Bus, blobs: BlobStore, inbox: Inbox, send: Send
) -> None:
    await send(inbox, b"first")
    assert await send(inbox, b"first") == REPEATED
    await listed(bus, blobs, inbox)
    assert await send(inbox, b"first") == REPEATED
    assert len(await events(bus, inbox)) == 1


async def test_the_same_from_many_at_once_is_one_event(bus: Bus, inbox: Inbox, send: Send) -> None:
    done = await asyncio.gather(*(send(inbox, b"first") for _ in range(10)))
    assert sorted(one.is_new for one in done) == [False] * 9 + [True]
    assert len(await events(bus, inbox)) == 1


async def test_what_crashed_between_blob_and_event_gets_its_event_from_the_repeat(
    bus: Bus, blobs: BlobStore, inbox: Inbox, deposits: Deposits
) -> None:
    key = inbox_key(inbox.name, "1.2.3", "1.2.3.9", "1.2.3.4", incoming(b"first").digest)
    await blobs.put(key, b"first")

    async def never(_: str) -> None:
        raise AssertionError("it is there")

    assert await deposits.deposit(inbox, incoming(b"first"), never) == NEW
    assert [event.data.blob.key for event in await events(bus, inbox)] == [key]


async def test_what_the_list_knows_and_s3_has_lost_is_written_again(
    bus: Bus, blobs: BlobStore, inbox: Inbox, send: Send
) -> None:
    await send(inbox, b"first")
    await listed(bus, blobs, inbox)
    (key,) = await held(blobs, inbox)
    await blobs.delete(key)
    assert await send(inbox, b"first") == REPEATED
    assert await held(blobs, inbox) == {key: b"first"}


@pytest.mark.parametrize("is_listed", [True, False])
@pytest.mark.parametrize("policy", [Conflicts.NEWEST, Conflicts.FIRST])
async def test_other_bytes_are_kept_beside_and_the_event_says_which_are_read(
    bus: Bus, blobs: BlobStore, inbox: Inbox, send: Send, policy: Conflicts, is_listed: bool
) -> None:
    inbox = inbox.model_copy(update={"conflicts": policy})
    await send(inbox, b"first")
    if is_listed:
        await listed(bus, blobs, inbox)
    assert await send(inbox, b"other") == NEW
    assert sorted((await held(blobs, inbox)).values()) == [b"first", b"other"]
    assert [event.data.conflict for event in await events(bus, inbox)] == [None, policy.value]


async def test_other_bytes_are_refused_where_the_inbox_refuses_them(
    bus: Bus, blobs: BlobStore, inbox: Inbox, send: Send
) -> None:
    inbox = inbox.model_copy(update={"conflicts": Conflicts.REFUSE})
    await send(inbox, b"first")
    assert await send(inbox, b"other") == REFUSED
    await listed(bus, blobs, inbox)
    assert await send(inbox, b"other") == REFUSED
    assert await send(inbox, b"first") == REPEATED
    assert list((await held(blobs, inbox)).values()) == [b"first"]
    assert len(await events(bus, inbox)) == 1


async def test_of_two_contents_at_once_one_is_refused(inbox: Inbox, send: Send) -> None:
    inbox = inbox.model_copy(update={"conflicts": Conflicts.REFUSE})
    done = await asyncio.gather(send(inbox, b"first"), send(inbox, b"other"))
    assert sorted(one.is_duplicate_uid for one in done) == [False, True]


async def test_what_repeats_the_content_that_is_not_read_changes_nothing(
    bus: Bus, blobs: BlobStore, inbox: Inbox, send: Send
) -> None:
    await send(inbox, b"first")
    await send(inbox, b"other")
    await listed(bus, blobs, inbox)
    assert await send(inbox, b"first") == REPEATED
    assert len(await events(bus, inbox)) == 2


async def test_after_a_deletion_the_same_bytes_are_new(
    bus: Bus, blobs: BlobStore, inbox: Inbox, send: Send
) -> None:
    await send(inbox, b"first")
    await listed(bus, blobs, inbox)
    (old,) = await held(blobs, inbox)
    await record(bus, blobs, inbox, Contents(), life=1)
    # Before the deletion gets to the blob: what comes now must not be taken for what is to be deleted.
    assert await send(inbox, b"first") == NEW
    await blobs.delete(old)
    (key,) = await held(blobs, inbox)
    first, second = await events(bus, inbox)
    assert (first.data.blob.key, second.data.blob.key) == (old, key)
    assert first.id != second.id
    assert first.data.digest == second.data.digest


async def test_after_the_deletion_of_another_instance_what_stayed_is_still_known(
    bus: Bus, blobs: BlobStore, inbox: Inbox, send: Send
) -> None:
    await send(inbox, b"first")
    await listed(bus, blobs, inbox, life=1)
    assert await send(inbox, b"first") == REPEATED
    assert await send(inbox, b"other") == NEW
    assert [event.data.conflict for event in await events(bus, inbox)] == [None, "newest"]


async def test_what_is_deleted_while_it_is_deposited_is_deposited_again(
    bus: Bus, blobs: BlobStore, inbox: Inbox, deposits: Deposits
) -> None:
    written: list[str] = []

    async def write(key: str) -> None:
        written.append(key)
        await blobs.put(key, b"first")
        if len(written) == 1:
            await record(bus, blobs, inbox, Contents(), life=1)

    assert await deposits.deposit(inbox, incoming(b"first"), write) == NEW
    assert len(set(written)) == 2
    assert [event.data.blob.key for event in await events(bus, inbox)] == written


async def test_what_may_be_written_again_is_written_while_it_is_looked(
    bus: Bus, blobs: BlobStore, inbox: Inbox, deposits: Deposits
) -> None:
    written: list[str] = []

    async def send(data: bytes) -> Deposited:
        async def write(key: str) -> None:
            written.append(key)
            await blobs.put(key, data)

        return await deposits.deposit(inbox, incoming(data), write, may_rewrite=True)

    assert await send(b"first") == NEW
    assert await send(b"first") == REPEATED
    assert len(written) == 2
    # Who repeats one thing repeats others: of those nothing is written before it is looked.
    assert await send(b"first") == REPEATED
    assert len(written) == 2
    assert await send(b"other") == NEW
    assert [event.data.conflict for event in await events(bus, inbox)] == [None, "newest"]
    assert sorted((await held(blobs, inbox)).values()) == [b"first", b"other"]
    await listed(bus, blobs, inbox)
    assert await send(b"other") == REPEATED


async def test_what_may_be_written_again_is_not_where_other_bytes_are_refused(
    blobs: BlobStore, inbox: Inbox, deposits: Deposits, send: Send
) -> None:
    inbox = inbox.model_copy(update={"conflicts": Conflicts.REFUSE})
    await send(inbox, b"first")

    async def never(_: str) -> None:
        raise AssertionError("other bytes are refused")

    assert await deposits.deposit(inbox, incoming(b"other"), never, may_rewrite=True) == REFUSED


async def test_what_may_be_written_again_goes_where_a_deletion_does_not_reach_it(
    bus: Bus, blobs: BlobStore, inbox: Inbox, deposits: Deposits
) -> None:
    written: list[str] = []

    async def write(key: str) -> None:
        written.append(key)
        await blobs.put(key, b"first")
        if len(written) == 1:
            await record(bus, blobs, inbox, Contents(), life=1)

    for _ in range(2):
        await deposits.deposit(inbox, incoming(b"first"), write, may_rewrite=True)
    first, second = written
    assert first != second
    assert second in {event.data.blob.key for event in await events(bus, inbox)}


async def test_a_write_that_fails_while_it_is_looked_leaves_no_event(
    bus: Bus, inbox: Inbox, deposits: Deposits
) -> None:
    async def fail(_: str) -> None:
        raise StoreUnavailable("away")

    with pytest.raises(StoreUnavailable):
        await deposits.deposit(inbox, incoming(b"first"), fail, may_rewrite=True)
    assert await events(bus, inbox) == []


async def test_what_is_not_described_is_not_taken(
    bus: Bus, blobs: BlobStore, inbox: Inbox, deposits: Deposits
) -> None:
    async def fail() -> Incoming:
        raise OSError("the file is gone")

    async def never(_: str) -> None:
        raise AssertionError("nobody knows what it is")

    identity = incoming(b"first").identity
    with pytest.raises(OSError, match="the file is gone"):
        await deposits.deposit_described_later(inbox, identity, fail, never, may_rewrite=True)
    assert await events(bus, inbox) == []
    assert await held(blobs, inbox) == {}


async def test_it_is_looked_what_is_there_while_it_is_described(
    bus: Bus, blobs: BlobStore, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked = asyncio.Event()
    deposits = Deposits(bus, blobs, "http://gateway:8080")
    keys = deposits._keys

    async def look(prefix: str) -> frozenset[str]:
        looked.set()
        return await keys(prefix)

    async def describe() -> Incoming:
        await looked.wait()
        return incoming(b"first")

    monkeypatch.setattr(deposits, "_keys", look)
    async with asyncio.timeout(PATIENCE):
        assert (
            await deposits.deposit_described_later(
                inbox, incoming(b"first").identity, describe, lambda key: blobs.put(key, b"first")
            )
            == NEW
        )
