"""A large blob that is all there goes to S3 in parts, as it is, or not at all."""

import random
import threading

import pytest

from isthmus.cli.embedded import EmbeddedS3
from isthmus.common.blobs import PART, BlobStore, digest_of, size_of
from isthmus.common.blobs.body import Body
from isthmus.common.dicom.raw_bytes import RawBytes, UnnamedFile
from isthmus.common.errors import StoreUnavailable
from tests.common.blobs.conftest import Way
from tests.common.blobs.test_sink import assert_nothing_is_left, new_key

HEADER = b"header"
LARGE = random.Random(0).randbytes(2 * PART + 1000)


@pytest.fixture
def in_file() -> RawBytes:
    file = UnnamedFile()
    file.append(LARGE)
    return RawBytes(file)


async def test_a_part_that_fails_for_good_leaves_nothing(
    s3: EmbeddedS3, store: BlobStore, in_file: RawBytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload_part = store._client.upload_part

    def failing(key: str, upload_id: str, number: int, body: Body) -> str:
        if number == 2:
            raise StoreUnavailable("full")
        return upload_part(key, upload_id, number, body)

    monkeypatch.setattr(store._client, "upload_part", failing)
    key = new_key()
    with pytest.raises(StoreUnavailable, match="full"):
        await store.put(key, (HEADER, in_file))
    await assert_nothing_is_left(s3, store, key)


async def test_a_store_that_is_closed_sends_no_further_part(store: BlobStore, in_file: RawBytes) -> None:
    store.close()
    with pytest.raises(StoreUnavailable):
        await store.put(new_key(), in_file)


async def test_a_connection_that_breaks_in_a_part_does_no_harm(
    store: BlobStore, store_behind: BlobStore, way: Way, in_file: RawBytes
) -> None:
    key = new_key()
    way.allowance, way.breaks = 100, 2
    await store_behind.put(key, (HEADER, in_file))
    assert await store.get(key) == HEADER + LARGE


async def test_a_file_is_the_same_blob_as_memory(store: BlobStore, in_file: RawBytes) -> None:
    keys = new_key(), new_key()
    await store.put(keys[0], (HEADER, LARGE))
    await store.put(keys[1], (HEADER, in_file))
    assert [await store.get(key) for key in keys] == [HEADER + LARGE] * 2
    assert digest_of((HEADER, LARGE)) == digest_of((HEADER, in_file))
    assert size_of((HEADER, in_file)) == len(HEADER) + len(LARGE)


def test_parts_are_ranges_over_all_pieces(in_file: RawBytes) -> None:
    body = Body((HEADER, in_file, b"", b"tail"))
    parts = [b"".join(part.chunks()) for part in body.parts(PART)]
    assert [len(part) for part in parts] == [PART, PART, body.size - 2 * PART]
    assert b"".join(parts) == HEADER + LARGE + b"tail"


async def test_parts_are_sent_at_the_same_time(
    store: BlobStore, in_file: RawBytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    together = threading.Barrier(3, timeout=10)
    upload_part = store._client.upload_part

    def meeting(key: str, upload_id: str, number: int, body: Body) -> str:
        together.wait()
        return upload_part(key, upload_id, number, body)

    monkeypatch.setattr(store._client, "upload_part", meeting)
    key = new_key()
    await store.put(key, in_file)
    assert await store.get(key) == LARGE
