"""Blobs go to S3 and come back; when S3 is away or stalls, that is said in time."""

import asyncio
import io
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, aclosing, contextmanager
from pathlib import Path

import pydicom
import pytest
from pydicom.data import get_testdata_file
from structlog.testing import capture_logs

from isthmus.cli.embedded import EmbeddedS3
from isthmus.common.blobs import BlobStore, Buffer, digest_of, held_key, size_of
from isthmus.common.errors import BlobMissing, StoreUnavailable
from isthmus.common.threads import Threads
from tests.common.blobs.conftest import Way, new_key
from tests.waiting import PATIENCE

MIB = 1024 * 1024
MR_SMALL = Path(str(get_testdata_file("MR_small.dcm"))).read_bytes()


@contextmanager
def stalled() -> Iterator[str]:
    """A server that accepts, and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"127.0.0.1:{listening.getsockname()[1]}"


@contextmanager
def away() -> Iterator[str]:
    """A port on which nobody listens."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{bound.getsockname()[1]}"


Server = Callable[[], AbstractContextManager[str]]
OPERATIONS: dict[str, Callable[[BlobStore, str], Awaitable[object]]] = {
    "put": lambda store, key: store.put(key, b"data"),
    "get": lambda store, key: store.get(key),
    "stream": lambda store, key: anext(store.stream(key)),
    "delete": lambda store, key: store.delete(key),
    "delete_all": lambda store, key: store.delete_all([key]),
    "list": lambda store, key: anext(store.list(key)),
    "ensure_bucket": lambda store, _: store.ensure_bucket(),
}


@pytest.mark.parametrize("server", [away, stalled])
@pytest.mark.parametrize("operation", OPERATIONS)
async def test_an_s3_that_does_not_answer_is_unavailable_within_the_deadline(
    threads: Threads, server: Server, operation: str
) -> None:
    with server() as endpoint:
        store = BlobStore(endpoint, "key", "secret", "bucket", threads=threads, deadline=0.5)
        began = time.monotonic()
        with pytest.raises(StoreUnavailable) as raised:
            await OPERATIONS[operation](store, "held/1.2.3")
        assert time.monotonic() - began < 10
        assert "1.2.3" not in str(raised.value)
        store.close()


@pytest.mark.parametrize("server", [away, stalled])
async def test_an_s3_that_does_not_answer_is_not_healthy(threads: Threads, server: Server) -> None:
    with server() as endpoint:
        store = BlobStore(endpoint, "key", "secret", "bucket", threads=threads)
        assert not await asyncio.wait_for(store.healthy(), 20)  # no probe waits for longer
        store.close()


async def test_closing_ends_the_attempts_of_operations_under_way(threads: Threads) -> None:
    with away() as endpoint:
        store = BlobStore(endpoint, "key", "secret", "bucket", threads=threads, deadline=60)
        putting = asyncio.create_task(store.put("key", b"data"))
        await asyncio.sleep(0)
        store.close()
        with pytest.raises(StoreUnavailable):
            await asyncio.wait_for(putting, PATIENCE)


async def test_wrong_credentials_are_said_at_once(s3: EmbeddedS3, threads: Threads) -> None:
    store = BlobStore(s3.endpoint, s3.access_key, "wrong", s3.bucket, threads=threads)
    with pytest.raises(StoreUnavailable, match="403"):
        await asyncio.wait_for(store.put(new_key(), b"data"), PATIENCE)
    store.close()


async def test_a_bucket_that_is_not_there_is_unhealthy_until_it_is_made(
    s3: EmbeddedS3, threads: Threads
) -> None:
    store = BlobStore(s3.endpoint, s3.access_key, s3.secret_key, "another", threads=threads)
    assert not await store.healthy()
    with pytest.raises(StoreUnavailable):
        await store.get(new_key())
    await asyncio.gather(store.ensure_bucket(), store.ensure_bucket())
    await store.ensure_bucket()
    assert await store.healthy()
    store.close()


async def test_an_s3_that_is_waited_for_is_named_at_once_and_once(threads: Threads) -> None:
    with away() as endpoint, capture_logs() as logs:
        store = BlobStore(endpoint, "key", "secret", "bucket", threads=threads, deadline=0.5)
        with pytest.raises(StoreUnavailable):
            await store.ensure_bucket()
        store.close()
    (line,) = logs
    assert (line["event"], line["endpoint"], line["seconds"]) == ("waiting for S3", endpoint, 0.5)
    assert line["reason"] == "S3 make bucket: Connection refused"


async def test_a_blob_that_is_not_there_is_missing(store: BlobStore) -> None:
    key = new_key()
    with pytest.raises(BlobMissing) as raised:
        await store.get(key)
    assert key not in str(raised.value)
    with pytest.raises(BlobMissing):
        await anext(store.stream(key))
    assert await store.find(key) is None
    await store.delete(key)


async def test_a_blob_that_need_not_be_there_is_found_if_it_is(store: BlobStore) -> None:
    key = new_key()
    await store.put(key, b"data")
    assert await store.find(key) == b"data"


async def test_the_size_of_a_blob_that_need_not_be_there(store: BlobStore) -> None:
    key = new_key()
    assert await store.size(key) is None
    await store.put(key, b"data")
    assert await store.size(key) == 4


async def test_a_stream_whose_connection_breaks_goes_on_where_it_stopped(
    store: BlobStore, store_behind: BlobStore, way: Way
) -> None:
    key, data = new_key(), bytes(range(256)) * 8 * 1024
    await store.put(key, data)
    way.allowance, way.breaks = 600_000, 2
    assert b"".join([chunk async for chunk in store_behind.stream(key)]) == data
    assert way.breaks == 0


async def test_an_operation_whose_connection_breaks_is_tried_again(store_behind: BlobStore, way: Way) -> None:
    key, data = new_key(), b"data" * 1000
    way.allowance, way.breaks = 0, 2
    await store_behind.put(key, data)
    way.breaks = 2
    assert await store_behind.get(key) == data
    assert way.breaks == 0


async def test_a_reader_that_leaves_early_gives_the_connection_back(
    store: BlobStore, store_behind: BlobStore, way: Way
) -> None:
    key = new_key()
    await store.put(key, bytes(16 * MIB))
    async with aclosing(store_behind.stream(key)) as chunks:
        await anext(chunks)
    store_behind.close()  # of idle connections
    assert await asyncio.to_thread(way.wait_until_closed)


async def test_a_reader_that_is_cancelled_while_s3_stalls_gives_the_connection_back(threads: Threads) -> None:
    gone = threading.Event()
    asked = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.recv(65536)
                asked.set()
                while connection.recv(65536):
                    pass
            gone.set()

        serving = threading.Thread(target=serve)
        serving.start()
        endpoint = f"127.0.0.1:{listening.getsockname()[1]}"
        store = BlobStore(endpoint, "key", "secret", "bucket", threads=threads, deadline=1)
        chunks = store.stream("key")

        async def read() -> bytes:
            return await anext(chunks)

        reading = asyncio.create_task(read())
        assert await asyncio.to_thread(asked.wait, 5)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        assert await asyncio.to_thread(gone.wait, 10)
        serving.join()
        store.close()


async def test_a_header_and_a_data_set_become_one_blob(store: BlobStore) -> None:
    key = new_key()
    parts: list[Buffer] = [b"header", memoryview(bytearray(b"x" * 500_000)), b"", bytearray(b"end")]
    await store.put(key, parts)
    data = await store.get(key)
    assert data == b"".join(parts)
    assert (size_of(parts), digest_of(parts)) == (len(data), digest_of(data))


async def test_an_empty_blob_is_a_blob(store: BlobStore) -> None:
    key = new_key()
    await store.put(key, b"")
    assert await store.get(key) == b""
    assert [chunk async for chunk in store.stream(key)] == []


async def test_a_large_blob_comes_back(store: BlobStore) -> None:
    key, data = new_key(), bytes(range(251)) * 80_000
    await store.put(key, data)
    assert await store.get(key) == data
    assert digest_of([chunk async for chunk in store.stream(key)]) == digest_of(data)


async def test_a_key_of_a_uid_that_is_none_comes_back(store: BlobStore) -> None:
    key = held_key("pacs", "..", "a/b ä%", "", "x" * 300)
    await store.put(key, b"data")
    assert await store.get(key) == b"data"
    assert [listed.key async for listed in store.list("held/pacs/%2E%2E/")] == [key]


async def test_a_stream_gives_chunks_of_the_size_and_the_range_that_are_asked_for(store: BlobStore) -> None:
    key, data = new_key(), bytes(range(256)) * 400
    await store.put(key, data)
    chunks = [chunk async for chunk in store.stream(key, chunk=1000, offset=100, length=2500)]
    assert [len(chunk) for chunk in chunks] == [1000, 1000, 500]
    assert b"".join(chunks) == data[100:2600]
    assert await store.get(key, offset=102_000) == data[102_000:]
    assert await store.get(key, offset=7, length=0) == b""


async def test_a_file_reads_seeks_and_ends_like_any_other(store: BlobStore) -> None:
    key, data = new_key(), bytes(range(256)) * 1000
    await store.put(key, data)

    def read() -> None:
        with store.open(key, len(data)) as file:
            assert file.read(10) == data[:10]
            assert file.seek(-5, io.SEEK_END) == len(data) - 5
            assert file.read() == data[-5:]
            assert file.read(1) == b""
            assert file.seek(100_000) == 100_000
            assert file.read(100_000) == data[100_000:200_000]
            assert file.seek(-10, io.SEEK_CUR) == file.tell() == 199_990
            with pytest.raises(ValueError, match="negative"):
                file.seek(-1_000_000, io.SEEK_CUR)

    await asyncio.to_thread(read)


async def test_pydicom_reads_a_header_without_fetching_the_pixels(
    store: BlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = new_key()
    # The same header, then 16 MiB that nobody wants.
    await store.put(key, [MR_SMALL, bytes(16 * MIB)])
    fetched: list[int] = []
    get_blocking = BlobStore.get_blocking

    def counting(self: BlobStore, key: str, offset: int = 0, length: int | None = None) -> bytes:
        got = get_blocking(self, key, offset, length)
        fetched.append(len(got))
        return got

    monkeypatch.setattr(BlobStore, "get_blocking", counting)

    def read() -> str:
        with store.open(key, len(MR_SMALL) + 16 * MIB) as file:
            return str(pydicom.dcmread(file, stop_before_pixels=True).Modality)

    assert await asyncio.to_thread(read) == "MR"
    assert fetched == [64 * 1024]
