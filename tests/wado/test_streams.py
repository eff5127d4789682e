import asyncio

from isthmus.common.blobs import BlobStore
from isthmus.common.blobs.reads import Reads
from isthmus.common.messages import BlobRef
from isthmus.wado.sources.streams import Streams


class Counted(BlobStore):
    """A store that counts, and gives when it is let."""

    def __init__(self) -> None:
        self.gets = 0
        self.may_give = asyncio.Event()

    async def get_in(self, reads: Reads, key: str) -> bytes:
        self.gets += 1
        await self.may_give.wait()
        return key.encode()


BLOB = BlobRef(
    "bucket", "key", 3, "1.2", "1.2.3", "1.2.3.4", "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.1.2.1"
)


async def test_a_stream_alone_keeps_nothing() -> None:
    store = Counted()
    store.may_give.set()
    with Streams(store).stream() as fetch:
        assert [await fetch(BLOB), await fetch(BLOB)] == [b"key", b"key"]
    assert store.gets == 2


async def test_several_streams_fetch_a_blob_once() -> None:
    store = Counted()
    streams = Streams(store)
    with streams.stream() as one, streams.stream() as other:
        fetching = [asyncio.create_task(fetch(BLOB)) for fetch in (one, other)]
        await asyncio.sleep(0)
        store.may_give.set()
        assert await asyncio.gather(*fetching) == [b"key", b"key"]
    assert store.gets == 1


async def test_a_stream_that_is_behind_gets_what_the_other_had() -> None:
    store = Counted()
    store.may_give.set()
    streams = Streams(store)
    with streams.stream() as one, streams.stream() as other:
        assert [await one(BLOB), await other(BLOB)] == [b"key", b"key"]
    assert store.gets == 1


async def test_nothing_is_kept_for_a_stream_that_is_alone_again() -> None:
    store = Counted()
    store.may_give.set()
    streams = Streams(store)
    with streams.stream() as one:
        with streams.stream() as other:
            await other(BLOB)
        await one(BLOB)
        with streams.stream() as third:
            await third(BLOB)
    assert store.gets == 3
