"""What is sent next is there before its turn, and never much of it."""

import asyncio
from secrets import token_hex

import pytest

from isthmus.common.blobs import BlobStore, spool_key
from isthmus.common.errors import BlobMissing
from isthmus.common.messages import BlobRef
from isthmus.dimse_scu import outgoing as outgoing_module
from isthmus.dimse_scu.outgoing import AHEAD_AT_ONCE, Outgoing


@pytest.fixture
async def left(blobs: BlobStore) -> list[tuple[int, BlobRef]]:
    job = token_hex(8)
    left = []
    for number in range(8):
        key, data = spool_key(job, number), b"blob %d" % number
        await blobs.put(key, data)
        left.append((number, BlobRef(blobs.bucket, key, len(data), "", "", "", "", "")))
    return left


async def test_a_blob_that_is_gone_is_told_in_its_turn(
    blobs: BlobStore, left: list[tuple[int, BlobRef]]
) -> None:
    await blobs.delete(left[1][1].key)
    async with Outgoing(blobs) as outgoing:
        assert (await outgoing.open(left)).read() == b"blob 0"
        with pytest.raises(BlobMissing):
            await outgoing.open(left[1:])
        assert (await outgoing.open(left[2:])).read() == b"blob 2"


async def test_who_leaves_early_leaves_nothing_running(
    blobs: BlobStore, left: list[tuple[int, BlobRef]]
) -> None:
    before = asyncio.all_tasks()
    async with Outgoing(blobs) as outgoing:
        await outgoing.open(left)
    assert asyncio.all_tasks() == before


async def test_only_the_next_few_are_fetched_and_each_once(
    blobs: BlobStore, left: list[tuple[int, BlobRef]], monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched: list[str] = []
    get = blobs.get

    async def counted(key: str) -> bytes:
        fetched.append(key)
        return await get(key)

    monkeypatch.setattr(blobs, "get", counted)
    async with Outgoing(blobs) as outgoing:
        assert (await outgoing.open(left)).read() == b"blob 0"
        assert len(fetched) == AHEAD_AT_ONCE
        for number in range(1, 8):
            assert (await outgoing.open(left[number:])).read() == b"blob %d" % number
    assert fetched == [ref.key for _, ref in left]


async def test_a_large_one_is_not_fetched_as_a_whole(
    blobs: BlobStore, left: list[tuple[int, BlobRef]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outgoing_module, "SMALL_BYTES", 3)
    monkeypatch.setattr(blobs, "get", None)
    async with Outgoing(blobs) as outgoing:
        with await outgoing.open(left) as file:
            assert await asyncio.to_thread(file.read) == b"blob 0"
