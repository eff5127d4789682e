"""What is made from an instance is made once, and kept in S3 beside it."""

import asyncio

import pytest

from isthmus.common.blobs import BlobStore, Sink, derived_prefix, held_key
from isthmus.common.derived.kept import Kept
from isthmus.common.errors import PixelsUnreadable, StoreUnavailable
from isthmus.common.messages import BlobRef
from tests.waiting import PATIENCE


class Maker:
    """Makes something, in memory or into a sink."""

    def __init__(self, made: bytes = b"made") -> None:
        self.times = 0
        self._made = made

    async def make(self) -> bytes:
        self.times += 1
        await asyncio.sleep(0)
        return self._made

    async def write(self, sink: Sink) -> None:
        await sink.write(await self.make())


def instance(origin: str, uid: str = "1.2.3.4", digest: str = "d") -> BlobRef:
    key = held_key(origin, "1.2", "1.2.3", uid, digest)
    return BlobRef("bucket", key, 4, "1.2", "1.2.3", uid, "1.2.840.10008.5.1.4.1.1.7", "1.2.840.10008.1.2.1")


async def lying(blobs: BlobStore, origin: str) -> list[str]:
    return [listed.key async for listed in blobs.list(derived_prefix(origin, "1.2", "1.2.3"))]


async def test_it_is_made_once_for_all_who_wait(blobs: BlobStore, origin_name: str) -> None:
    kept, maker = Kept(blobs), Maker()
    blob = instance(origin_name)
    got = await asyncio.gather(*(kept.get(blob, "picture", maker.make) for _ in range(3)))
    assert (got, maker.times) == ([b"made"] * 3, 1)


async def test_it_is_made_once_for_all_processes(blobs: BlobStore, origin_name: str) -> None:
    maker = Maker()
    for _ in range(2):
        assert await Kept(blobs).get(instance(origin_name), "picture", maker.make) == b"made"
    assert maker.times == 1


async def test_another_name_is_another_thing(blobs: BlobStore, origin_name: str) -> None:
    kept, one, other = Kept(blobs), Maker(b"one"), Maker(b"other")
    assert await kept.get(instance(origin_name), "picture-a", one.make) == b"one"
    assert await kept.get(instance(origin_name), "picture-b", other.make) == b"other"


@pytest.mark.parametrize("other", [{"uid": "1.2.3.5"}, {"digest": "e"}], ids=["instance", "bytes"])
async def test_another_instance_is_another_thing(
    blobs: BlobStore, origin_name: str, other: dict[str, str]
) -> None:
    kept, maker = Kept(blobs), Maker()
    await kept.get(instance(origin_name), "picture", maker.make)
    await kept.get(instance(origin_name, **other), "picture", maker.make)
    assert maker.times == 2


async def test_an_s3_that_does_not_take_it_is_no_failure(
    blobs: BlobStore, origin_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def full(*_: object) -> None:
        raise StoreUnavailable("full")

    monkeypatch.setattr(BlobStore, "put", full)
    assert await Kept(blobs).get(instance(origin_name), "picture", Maker().make) == b"made"


async def test_what_is_written_lies_in_s3_with_its_size(blobs: BlobStore, origin_name: str) -> None:
    kept, maker = Kept(blobs), Maker()
    blob = instance(origin_name)
    first, *others = await asyncio.gather(*(kept.stored(blob, "explicit", maker.write) for _ in range(3)))
    assert others == [first] * 2
    assert (await blobs.get(first.key), first.size, maker.times) == (b"made", 4, 1)


async def test_what_is_written_is_written_once_for_all_processes(blobs: BlobStore, origin_name: str) -> None:
    maker = Maker()
    places = [await Kept(blobs).stored(instance(origin_name), "explicit", maker.write) for _ in range(2)]
    assert (places[0], maker.times) == (places[1], 1)


async def test_what_was_dropped_is_written_anew(blobs: BlobStore, origin_name: str) -> None:
    kept, maker = Kept(blobs), Maker()
    blob = instance(origin_name)
    await blobs.delete((await kept.stored(blob, "explicit", maker.write)).key)
    assert await blobs.get((await kept.stored(blob, "explicit", maker.write)).key) == b"made"


async def test_what_fails_in_the_middle_leaves_nothing(blobs: BlobStore, origin_name: str) -> None:
    async def fails(sink: Sink) -> None:
        await sink.write(bytes(9 * 1024 * 1024))
        raise PixelsUnreadable("corrupt", instance="1.2.3.4")

    with pytest.raises(PixelsUnreadable):
        await Kept(blobs).stored(instance(origin_name), "explicit", fails)
    assert await lying(blobs, origin_name) == []


async def test_what_nobody_waits_for_any_more_leaves_nothing(blobs: BlobStore, origin_name: str) -> None:
    began, ended = asyncio.Event(), asyncio.Event()

    async def goes_on(sink: Sink) -> None:
        await sink.write(bytes(9 * 1024 * 1024))
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    waiting = asyncio.create_task(Kept(blobs).stored(instance(origin_name), "explicit", goes_on))
    await began.wait()
    waiting.cancel()
    async with asyncio.timeout(PATIENCE):
        await ended.wait()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert await lying(blobs, origin_name) == []
