import asyncio
import time
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

import pytest

from isthmus.common.blobs import BlobStore, Data, spool_key
from isthmus.common.bus.stores import new_timed_job
from isthmus.common.errors import MalformedDataset, StoreUnavailable, UnreadablePayload
from isthmus.common.messages import Store, decode
from isthmus.stow.head import Head, read_head
from isthmus.stow.spool import PUTS_AT_ONCE, Spool
from isthmus.stow.sweep import sweep
from tests.data_sets import identity


async def chunks_of(data: bytes, size: int = 10_000) -> AsyncIterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


async def nothing() -> AsyncIterator[bytes]:
    return
    yield b""


async def breaks_off() -> AsyncIterator[bytes]:
    yield b"something"
    raise UnreadablePayload("The body ends here")


async def head_of(chunks: AsyncIterator[bytes]) -> Head:
    head = await read_head(chunks)
    assert isinstance(head, Head)
    return head


async def test_what_is_no_object_has_no_head() -> None:
    for content in (chunks_of(b"no object" * 1000), nothing()):
        assert isinstance(await read_head(content), MalformedDataset)


async def test_a_part_that_breaks_off_leaves_nothing(blobs: BlobStore, series: list[Path]) -> None:
    head = await head_of(chunks_of(series[0].read_bytes()))
    async with Spool(blobs) as spool:
        with pytest.raises(UnreadablePayload):
            await spool.add(head, breaks_off())
        assert spool.refs == []
        assert [blob async for blob in blobs.list(f"spool/{spool.job}/")] == []


async def test_a_put_that_fails_is_said_at_the_latest_when_the_job_is_made(
    blobs: BlobStore, series: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def full(*_: object) -> None:
        raise StoreUnavailable("full")

    head = await head_of(chunks_of(series[0].read_bytes()))
    monkeypatch.setattr(blobs, "put", full)
    monkeypatch.setattr("isthmus.stow.spool.LATE_SECONDS", 0.01)
    async with Spool(blobs) as spool:
        await spool.add(head, nothing())
        await spool.add(head, nothing())
        with pytest.raises(StoreUnavailable):
            await spool.store("pacs")


async def test_what_s3_does_late_is_deleted_too(
    blobs: BlobStore, series: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that stood still does what it was asked when it goes on: nobody waits for it any more."""
    put, delete_all = blobs.put, blobs.delete_all
    late: list[str] = []

    async def fails(key: str, _: Data) -> None:
        late.append(key)
        raise StoreUnavailable("silent")

    async def deletes_what_is_there_by_then(keys: Iterable[str]) -> None:
        await delete_all(keys)
        while late:
            await put(late.pop(), b"late")

    head = await head_of(chunks_of(series[0].read_bytes()))
    monkeypatch.setattr(blobs, "put", fails)
    monkeypatch.setattr(blobs, "delete_all", deletes_what_is_there_by_then)
    monkeypatch.setattr("isthmus.stow.spool.LATE_SECONDS", 0.01)
    async with Spool(blobs) as spool:
        await spool.add(head, nothing())
        with pytest.raises(StoreUnavailable):
            await spool.store("pacs")
    assert [blob async for blob in blobs.list(f"spool/{spool.job}/")] == []


async def test_what_is_put_while_the_request_is_given_up_is_deleted_too(
    blobs: BlobStore, series: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()
    put = blobs.put

    async def slow(key: str, data: Data) -> None:
        begun.set()
        await go_on.wait()
        await put(key, data)

    head = await head_of(chunks_of(series[0].read_bytes()))
    monkeypatch.setattr(blobs, "put", slow)
    spool = Spool(blobs)

    async def give_up() -> None:
        async with spool:
            await spool.add(head, nothing())
            await begun.wait()
            asyncio.get_running_loop().call_soon(go_on.set)
            raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await give_up()
    assert [blob async for blob in blobs.list(f"spool/{spool.job}/")] == []


async def test_no_more_than_a_few_small_parts_are_put_at_once(
    blobs: BlobStore, series: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    at_once: list[int] = []
    under_way: set[str] = set()
    put = blobs.put

    async def counted(key: str, data: Data) -> None:
        under_way.add(key)
        at_once.append(len(under_way))
        await put(key, data)
        under_way.remove(key)

    head = await head_of(chunks_of(series[0].read_bytes()))
    monkeypatch.setattr(blobs, "put", counted)
    async with Spool(blobs) as spool:
        refs = [await spool.add(head, nothing()) for _ in range(12)]
        assert (await spool.store("pacs")).blobs == tuple(refs)
    assert max(at_once) == PUTS_AT_ONCE


async def test_an_object_is_identified_by_its_beginning(series: list[Path]) -> None:
    large = chunks_of(series[0].read_bytes() + bytes(1_000_000))
    head = await head_of(large)
    assert head.identity.sop_instance_uid == identity(series[0]).sop_instance_uid
    assert len(head.data) < 100_000
    assert len(await anext(large)) == 10_000


async def test_a_lent_spool_is_kept(blobs: BlobStore, series: list[Path]) -> None:
    head = await head_of(chunks_of(series[0].read_bytes()))
    async with Spool(blobs) as spool:
        ref = await spool.add(head, nothing())
        await spool.store("pacs")
        spool.is_lent = True
    assert await blobs.get(ref.key) == series[0].read_bytes()


async def test_refs_too_long_for_a_message_go_into_a_manifest(blobs: BlobStore, series: list[Path]) -> None:
    head = await head_of(chunks_of(series[0].read_bytes()))
    async with Spool(blobs) as spool:
        ref = await spool.add(head, nothing())
        assert (await spool.store("pacs")).blobs == (ref,)
        spool.refs.extend([ref] * 999)
        job = await spool.store("pacs")
        assert job.blobs == ()
        assert job.manifest is not None
        assert decode(await blobs.get(job.manifest), Store).blobs == (ref,) * 1000
    assert [blob async for blob in blobs.list(f"spool/{spool.job}/")] == []


async def test_what_is_left_of_old_jobs_is_swept_up(blobs: BlobStore) -> None:
    now = time.time()
    old, young = (spool_key(new_timed_job(now - age), 0) for age in (90_000, 10_000))
    await blobs.put(old, b"old")
    await blobs.put(young, b"young")
    assert await sweep(blobs, now) == 1
    left = [blob.key async for blob in blobs.list("spool/")]
    assert old not in left
    assert young in left
