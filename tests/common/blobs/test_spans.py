"""What spans tell of S3: what was asked of it, and how much, without a key."""

import asyncio
from contextlib import aclosing

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from isthmus.common.blobs import PART, BlobStore
from isthmus.common.blobs.reads import Reads
from isthmus.common.errors import BlobMissing, StoreUnavailable
from isthmus.common.telemetry import span
from isthmus.common.threads import Threads
from tests.common.blobs.conftest import new_key
from tests.ended_spans import ended
from tests.peers import free_port

__all__ = ["ended"]  # a fixture


async def test_spans_tell_of_sizes_and_not_of_keys(store: BlobStore, ended: InMemorySpanExporter) -> None:
    key = new_key()
    with span("request") as request:
        await store.put(key, [b"head", b"er"])
        await store.get(key)
        assert [chunk async for chunk in store.stream(key)] == [b"header"]
        await store.delete(key)
        await store.delete_all([key, new_key()])
    *inside, _ = ended.get_finished_spans()
    assert [(each.name, each.attributes) for each in inside] == [
        ("S3 put", {"s3.bucket": store.bucket, "s3.size": 6}),
        ("S3 get", {"s3.bucket": store.bucket, "s3.size": 6}),
        ("S3 get", {"s3.bucket": store.bucket, "s3.size": 6}),
        ("S3 delete", {"s3.bucket": store.bucket}),
        ("S3 delete", {"s3.bucket": store.bucket, "s3.objects": 2}),
    ]
    assert all(each.parent == request.get_span_context() for each in inside)


async def test_a_listing_is_one_span_however_many_requests_it_takes(
    store: BlobStore, ended: InMemorySpanExporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("isthmus.common.blobs.store._PAGE", 2)
    prefix = new_key()
    for number in range(5):
        await store.put(f"{prefix}/{number}", b"")
    ended.clear()
    with span("request") as request:
        assert len([blob async for blob in store.list(prefix)]) == 5
    listing, _ = ended.get_finished_spans()
    assert (listing.name, listing.parent) == ("S3 list", request.get_span_context())
    assert listing.attributes is not None
    seconds = listing.attributes["s3.seconds"]
    assert listing.attributes == {"s3.bucket": store.bucket, "s3.objects": 5, "s3.seconds": seconds}


async def test_a_listing_whose_reader_wants_no_more_was_not_cancelled(
    store: BlobStore, ended: InMemorySpanExporter
) -> None:
    key = new_key()
    await store.put(key, b"")
    ended.clear()
    async with aclosing(store.list(key)) as listed:
        await anext(listed)
    (listing,) = ended.get_finished_spans()
    assert listing.attributes is not None
    assert "isthmus.cancelled" not in listing.attributes


async def test_a_listing_that_fails_is_told_as_failed(threads: Threads, ended: InMemorySpanExporter) -> None:
    store = BlobStore(f"127.0.0.1:{free_port()}", "key", "secret", "bucket", threads=threads, deadline=0.1)
    with pytest.raises(StoreUnavailable):
        await anext(store.list("prefix"))
    store.close()
    (listing,) = ended.get_finished_spans()
    assert (listing.attributes or {})["error.type"] == "StoreUnavailable"


async def test_many_reads_for_one_answer_are_one_span(store: BlobStore, ended: InMemorySpanExporter) -> None:
    keys = [new_key() for _ in range(3)]
    for key in keys:
        await store.put(key, b"header")
    ended.clear()
    with span("request") as request, Reads.together() as reads:
        assert await asyncio.gather(*(store.get_in(reads, key) for key in keys)) == [b"header"] * 3
    together, _ = ended.get_finished_spans()
    assert (together.name, together.parent) == ("S3 get", request.get_span_context())
    assert together.attributes is not None
    seconds = together.attributes["s3.seconds"]
    assert together.attributes == {"s3.objects": 3, "s3.size": 18, "s3.seconds": seconds}


async def test_of_many_reads_those_that_fail_or_take_long_have_spans_of_their_own(
    store: BlobStore, ended: InMemorySpanExporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = new_key()
    await store.put(key, b"header")
    ended.clear()
    with span("request") as request, Reads.together() as reads:
        with pytest.raises(BlobMissing):
            await store.get_in(reads, new_key())
        monkeypatch.setattr("isthmus.common.blobs.reads.LONG_SECONDS", 0.0)
        await store.get_in(reads, key)
    failed, long, together, _ = ended.get_finished_spans()
    assert [one.parent for one in (failed, long, together)] == [request.get_span_context()] * 3
    assert (failed.status.status_code, failed.status.description) == (StatusCode.ERROR, BlobMissing.title)
    assert long.attributes == {"s3.bucket": store.bucket, "s3.size": 6}
    assert long.start_time == together.start_time
    assert together.attributes is not None
    assert together.attributes["s3.objects"] == 1


async def test_without_a_read_there_is_no_span(ended: InMemorySpanExporter) -> None:
    with Reads.together():
        pass
    assert ended.get_finished_spans() == ()


async def test_what_is_written_as_it_comes_has_spans_too(
    store: BlobStore, ended: InMemorySpanExporter
) -> None:
    with span("request"):
        async with store.sink(new_key()) as sink:
            await sink.write(b"small")
        async with store.sink(new_key()) as sink:
            await sink.write(bytes(PART + 1))
            await sink.write(b"rest")
    small, *parts, large, request = [(each.name, each.attributes) for each in ended.get_finished_spans()]
    assert small == ("S3 put", {"s3.bucket": store.bucket, "s3.size": 5})
    assert sorted(parts, key=str) == [
        ("S3 put part", {"s3.bucket": store.bucket, "s3.size": 4}),
        ("S3 put part", {"s3.bucket": store.bucket, "s3.size": PART + 1}),
    ]
    assert large == ("S3 put", {"s3.bucket": store.bucket, "s3.size": PART + 5})
    assert request == ("request", {})
