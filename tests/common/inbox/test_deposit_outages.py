"""Into an inbox, while the write fails, or S3 or NATS are away."""

from collections.abc import AsyncIterator

import pytest

from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus
from isthmus.common.config import Inbox
from isthmus.common.config.settings import Nats
from isthmus.common.errors import BusUnavailable, StoreUnavailable
from isthmus.common.inbox.deposit import Deposits
from isthmus.common.threads import Threads
from tests.common.inbox.depositing import NEW, Send, events, incoming


async def test_a_write_that_fails_leaves_no_event(
    bus: Bus, blobs: BlobStore, inbox: Inbox, deposits: Deposits, send: Send
) -> None:
    async def fail(_: str) -> None:
        raise StoreUnavailable("away")

    with pytest.raises(StoreUnavailable):
        await deposits.deposit(inbox, incoming(b"first"), fail)
    assert await events(bus, inbox) == []
    assert await send(inbox, b"first") == NEW


@pytest.fixture
async def away() -> AsyncIterator[BlobStore]:
    threads = Threads("away", 2)
    store = BlobStore("127.0.0.1:1", "key", "secret", "bucket", threads=threads, deadline=0.3)
    yield store
    store.close()
    threads.close()


async def test_without_s3_nothing_is_taken(bus: Bus, away: BlobStore, inbox: Inbox) -> None:
    with pytest.raises(StoreUnavailable):
        await Deposits(bus, away, "http://gateway").deposit(
            inbox, incoming(b"first"), lambda key: away.put(key, b"first")
        )
    assert await events(bus, inbox) == []


async def test_without_nats_nothing_is_taken(nats_settings: Nats, blobs: BlobStore, inbox: Inbox) -> None:
    gone = await Bus.connect(nats_settings, "gone")
    await gone.close()
    with pytest.raises(BusUnavailable):
        await Deposits(gone, blobs, "http://gateway").deposit(
            inbox, incoming(b"first"), lambda key: blobs.put(key, b"first")
        )


async def test_a_repeat_after_nats_was_lost_before_the_event_makes_one_event(
    nats_settings: Nats, bus: Bus, blobs: BlobStore, inbox: Inbox, send: Send
) -> None:
    leaving = await Bus.connect(nats_settings, "leaving")

    async def write(key: str) -> None:
        await blobs.put(key, b"first")
        await leaving.close()

    with pytest.raises(BusUnavailable):
        await Deposits(leaving, blobs, "http://gateway").deposit(inbox, incoming(b"first"), write)
    assert await events(bus, inbox) == []
    assert await send(inbox, b"first") == NEW
    assert len(await events(bus, inbox)) == 1
