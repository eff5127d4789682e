"""Bytes go to S3 as they arrive, and a sink that is not finished leaves nothing."""

import asyncio
import random
import threading
from uuid import uuid4

import pytest
from minio import Minio

from isthmus.cli.embedded import EmbeddedS3
from isthmus.common.blobs import BlobStore
from isthmus.common.blobs.body import Body
from isthmus.common.errors import BlobMissing, StoreUnavailable
from isthmus.common.threads import Threads
from tests.common.blobs.conftest import Way
from tests.common.blobs.test_store import away

MIB = 1024 * 1024


def new_key() -> str:
    return f"spool/{uuid4()}.dcm"


def parts_left(s3: EmbeddedS3) -> list[str]:
    """The keys of multipart uploads that were neither completed nor aborted."""
    client = Minio(s3.endpoint, s3.access_key, s3.secret_key, secure=False)
    return [upload.object_name for upload in client._list_multipart_uploads(s3.bucket).uploads]


async def assert_nothing_is_left(s3: EmbeddedS3, store: BlobStore, key: str) -> None:
    with pytest.raises(BlobMissing):
        await store.get(key)
    assert key not in await asyncio.to_thread(parts_left, s3)


async def test_an_s3_that_is_away_is_said_when_the_block_is_left(threads: Threads) -> None:
    with away() as endpoint:
        store = BlobStore(endpoint, "key", "secret", "bucket", threads=threads, deadline=0.3)
        with pytest.raises(StoreUnavailable):
            async with store.sink(new_key()) as sink:
                await sink.write(b"data")
        store.close()


@pytest.mark.parametrize("size", [0, 1000, 20 * MIB])
async def test_an_exception_in_the_block_leaves_nothing(s3: EmbeddedS3, store: BlobStore, size: int) -> None:
    key = new_key()

    async def write() -> None:
        async with store.sink(key) as sink:
            await sink.write(bytes(size))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await write()
    await assert_nothing_is_left(s3, store, key)


async def test_a_cancellation_while_a_part_is_sent_leaves_nothing(
    s3: EmbeddedS3, store: BlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = new_key()
    loop = asyncio.get_running_loop()
    sending = asyncio.Event()
    upload_part = store._client.upload_part

    def announcing(key: str, upload_id: str, number: int, body: Body) -> str:
        loop.call_soon_threadsafe(sending.set)
        return upload_part(key, upload_id, number, body)

    monkeypatch.setattr(store._client, "upload_part", announcing)

    async def write() -> None:
        async with store.sink(key) as sink:
            await sink.write(bytes(20 * MIB))

    writing = asyncio.create_task(write())
    await sending.wait()
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing
    await assert_nothing_is_left(s3, store, key)


async def test_a_cancellation_while_the_blob_is_finished_leaves_nothing(
    s3: EmbeddedS3, store: BlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = new_key()
    loop = asyncio.get_running_loop()
    sending = asyncio.Event()
    put = store._client.put

    def announcing(key: str, body: Body, *, only_new: bool) -> None:
        loop.call_soon_threadsafe(sending.set)
        put(key, body, only_new=only_new)

    monkeypatch.setattr(store._client, "put", announcing)

    async def write() -> None:
        async with store.sink(key) as sink:
            await sink.write(b"data")

    writing = asyncio.create_task(write())
    await sending.wait()
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing
    await assert_nothing_is_left(s3, store, key)


@pytest.mark.parametrize("size", [1000, 20 * MIB])
async def test_what_another_wrote_to_a_shared_key_stays_when_the_end_is_uncertain(
    store: BlobStore, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    key, data = new_key(), bytes(size)
    await store.put(key, data)

    def fail(*_: object, **__: object) -> None:
        raise StoreUnavailable("no answer")

    monkeypatch.setattr(store._client, "put", fail)
    monkeypatch.setattr(store._client, "complete_upload", fail)
    with pytest.raises(StoreUnavailable):
        async with store.sink(key, is_shared=True) as sink:
            await sink.write(data)
    assert await store.size(key) == size


async def test_a_connection_that_breaks_is_replaced(
    store: BlobStore, store_behind: BlobStore, way: Way
) -> None:
    key = new_key()
    way.allowance, way.breaks = 0, 3
    async with store_behind.sink(key) as sink:
        await sink.write(bytes(9 * MIB))
        way.breaks += 2  # the answer to the last part and to the completion are lost
    assert way.breaks == 0
    assert len(await store.get(key)) == 9 * MIB


@pytest.mark.parametrize("size", [0, 1, 8 * MIB, 8 * MIB + 1, 21 * MIB])
async def test_what_is_written_is_there_with_its_size_and_digest(store: BlobStore, size: int) -> None:
    key = new_key()
    data = (bytes(range(251)) * (size // 251 + 1))[:size]
    async with store.sink(key) as sink:
        for start in range(0, size, MIB):
            await sink.write(data[start : start + MIB])
    assert await store.get(key) == data
    assert sink.size == size


async def test_a_buffer_may_be_used_again_after_it_was_written(store: BlobStore) -> None:
    key = new_key()
    buffer = bytearray(b"first")
    async with store.sink(key) as sink:
        await sink.write(memoryview(buffer))
        buffer[:] = b"other"
        await sink.write(buffer)
    assert await store.get(key) == b"firstother"


async def test_a_large_blob_is_never_held_as_a_whole(
    store: BlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[int] = []
    upload_part = store._client.upload_part

    def measuring(key: str, upload_id: str, number: int, body: Body) -> str:
        sent.append(body.size)
        return upload_part(key, upload_id, number, body)

    monkeypatch.setattr(store._client, "upload_part", measuring)
    async with store.sink(new_key()) as sink:
        for _ in range(30):
            await sink.write(bytes(MIB))
    assert sum(sent) == 30 * MIB
    assert max(sent) == 9 * MIB


async def test_a_part_is_sent_while_the_next_one_comes_and_no_more_than_two(
    store: BlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    both, sending = threading.Barrier(2, timeout=10), []
    at_once: list[int] = []
    upload_part = store._client.upload_part

    def meeting(key: str, upload_id: str, number: int, body: Body) -> str:
        sending.append(number)
        at_once.append(len(sending))
        both.wait()
        etag = upload_part(key, upload_id, number, body)
        sending.remove(number)
        return etag

    monkeypatch.setattr(store._client, "upload_part", meeting)
    key, data = new_key(), random.Random(0).randbytes(36 * MIB)
    async with store.sink(key) as sink:
        for start in range(0, len(data), MIB):
            await sink.write(data[start : start + MIB])
    assert max(at_once) == 2
    assert await store.get(key) == data
