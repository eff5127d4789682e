"""Blobs are deleted one by one and by pages, and listed by pages."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from uuid import uuid4

import pytest

from isthmus.common.blobs import BlobStore, held_key
from isthmus.common.errors import BlobMissing, StoreUnavailable
from isthmus.common.threads import Threads
from tests.common.blobs.conftest import Way, new_key


@contextmanager
def refusing_to_delete(code: str) -> Iterator[str]:
    """An S3 that answers each deletion of many blobs by what stood against the first one."""
    error = f"<Error><Key>held/1.2.3</Key><Code>{code}</Code><Message>no</Message></Error>"

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.answer("<LocationConstraint/>")

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.answer(
                f'<DeleteResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">{error}</DeleteResult>'
            )

        def answer(self, text: str) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name in http.server
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        serving = threading.Thread(target=server.serve_forever, args=(0.01,))
        serving.start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()
        serving.join()


async def test_a_deleted_blob_is_gone(store: BlobStore) -> None:
    key = new_key()
    await store.put(key, b"data")
    await store.delete(key)
    with pytest.raises(BlobMissing):
        await store.get(key)


async def test_many_blobs_are_deleted_by_pages_also_such_as_are_not_there(
    store: BlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("isthmus.common.blobs.store._PAGE", 2)
    prefix = f"delete/{uuid4()}"
    keys = [held_key(prefix, study, "", "a/b ä%&<", "x" * 300) for study in ("..", "1.2", "1.2.3", "&amp;")]
    stays = f"{prefix}/stays"
    for key in (*keys, stays):
        await store.put(key, b"data")
    await store.delete_all([*keys[:3], f"{prefix}/never-there", *keys[3:]])
    for key in keys:
        with pytest.raises(BlobMissing):
            await store.get(key)
    assert await store.get(stays) == b"data"
    await store.delete_all([])


async def test_a_deletion_whose_connection_breaks_is_tried_again(
    store: BlobStore, store_behind: BlobStore, way: Way
) -> None:
    key = new_key()
    await store.put(key, b"data")
    way.allowance, way.breaks = 0, 2
    await store_behind.delete_all([key])
    assert way.breaks == 0
    with pytest.raises(BlobMissing):
        await store.get(key)


@pytest.mark.parametrize(("code", "status"), [("AccessDenied", 403), ("InternalError", 500)])
async def test_blobs_that_s3_does_not_delete_are_told_of(threads: Threads, code: str, status: int) -> None:
    with refusing_to_delete(code) as endpoint:
        store = BlobStore(endpoint, "key", "secret", "bucket", threads=threads, deadline=0.5)
        with pytest.raises(StoreUnavailable, match=f"S3 delete: {status} {code}") as raised:
            await store.delete_all(["held/1.2.3"])
        assert "1.2.3" not in str(raised.value)
        store.close()


async def test_a_listing_survives_that_what_it_gave_is_deleted(
    store: BlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("isthmus.common.blobs.store._PAGE", 2)
    prefix = f"list/{uuid4()}/"
    keys = [f"{prefix}1.{n}/2/{m}" for n in range(3) for m in range(3)]
    for key in keys:
        await store.put(key, b"data")
    seen = []
    async for listed in store.list(prefix):
        seen.append(listed.key)
        await store.delete_all(seen)
    assert seen == keys


async def test_a_listing_tells_when_each_blob_was_written(store: BlobStore) -> None:
    key, before = new_key(), time.time()
    await store.put(key, b"data")
    (listed,) = [listed async for listed in store.list(key)]
    assert before - 1 <= listed.modified <= time.time() + 1  # S3 gives whole seconds


async def test_a_listing_goes_on_over_pages(store: BlobStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("isthmus.common.blobs.store._PAGE", 2)
    prefix = f"list/{uuid4()}/"
    for n in range(5):
        await store.put(f"{prefix}{n}/{n}", b"x" * n)
    listed = [(blob.key.removeprefix(prefix), blob.size) async for blob in store.list(prefix)]
    assert listed == [(f"{n}/{n}", n) for n in range(5)]
