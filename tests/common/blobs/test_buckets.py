"""Blobs in the buckets of S3 origins: read where they are, as they were listed, and nothing overwritten."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from itertools import groupby
from uuid import uuid4

import pytest

from isthmus.common.blobs import PART, BlobStore, Exists, InBucket, bucket_key, buckets_of
from isthmus.common.blobs.buckets import THREADS
from isthmus.common.blobs.keys import in_bucket, origin_of, series_derived_prefix
from isthmus.common.blobs.refusal import Refused, judge
from isthmus.common.bus import end_tasks
from isthmus.common.config import S3Origin
from isthmus.common.config.settings import S3
from isthmus.common.errors import BlobMissing, BlobRefused, SettingsError, StoreUnavailable
from isthmus.common.threads import Threads
from tests.common.blobs.test_connections import CERTIFICATE, Served, answer
from tests.waiting import PATIENCE


def origin_at(s3: S3, endpoint: str | None = None) -> S3Origin:
    keys = {"access_key": s3.access_key, "secret_key": s3.secret_key}
    place = {"endpoint": endpoint or s3.endpoint, "bucket": "archive", "region": "us-east-1"}
    return S3Origin.model_validate(
        {"name": "archive", "protocol": "s3", "ae_title": "ARCHIVE", **place, **keys}
    )


@pytest.fixture
async def archive(s3_settings: S3) -> AsyncIterator[BlobStore]:
    """The bucket of an origin."""
    with buckets_of([origin_at(s3_settings)]) as buckets:
        await buckets["archive"].ensure_bucket()
        yield buckets["archive"]


@pytest.fixture
def blobs(s3_settings: S3, archive: BlobStore, threads: Threads) -> Iterator[BlobStore]:
    """Our own bucket, and the origin's behind it."""
    s3 = s3_settings
    store = BlobStore(
        s3.endpoint, s3.access_key, s3.secret_key, s3.bucket, threads=threads, others={"archive": archive}
    )
    yield store
    store.close()


@pytest.mark.parametrize(
    ("place", "complaint"),
    [
        ({"endpoint": "https://vpce-1a.s3.us-east-1.vpce.amazonaws.com"}, "invalid Amazon AWS host"),
        ({"region": "us east"}, "invalid region us east"),
        ({"bucket": "is..x"}, "invalid successive characters"),
        ({"bucket": "192.0.2.1"}, "must not be formatted as an IP address"),
    ],
)
def test_a_place_that_the_library_has_no_use_for_is_named(place: dict[str, str], complaint: str) -> None:
    named = {"name": "archive", "protocol": "s3", "ae_title": "ARCHIVE"}
    origin = S3Origin.model_validate({"endpoint": "s3:9000", "bucket": "archive", **named, **place})
    with (
        pytest.raises(
            SettingsError, match=f"The bucket of 'archive': endpoint, bucket or region: .*{complaint}"
        ),
        buckets_of([origin]),
    ):
        pass


async def put(archive: BlobStore, data: bytes, key: str | None = None) -> tuple[str, str]:
    """Write something, and give its own key and what it is called in a blob ref."""
    key = key or f"a b/{uuid4().hex}"
    await archive.put(key, data)
    (listed,) = [one async for one in archive.list(key)]
    return key, bucket_key("1.2", "1.2.3", "1.2.3.4", InBucket("archive", listed.etag, key))


@pytest.mark.parametrize("size", [10, 600_000])
async def test_a_blob_is_read_where_it_is(blobs: BlobStore, archive: BlobStore, size: int) -> None:
    data = b"0123456789" + bytes(size - 10)
    _, key = await put(archive, data)
    assert await blobs.get(key) == data
    assert await blobs.get(key, offset=2, length=3) == b"234"
    assert b"".join([chunk async for chunk in blobs.stream(key)]) == data
    assert await blobs.find(key) == data
    assert await blobs.size(key) == size
    with blobs.open(key, size) as file:
        assert file.read() == data


async def test_what_was_overwritten_is_not_what_was_listed(blobs: BlobStore, archive: BlobStore) -> None:
    there, key = await put(archive, b"before")
    _, now = await put(archive, b"behind", there)
    for reading in (blobs.get(key), blobs.get(key, offset=1, length=2)):
        with pytest.raises(BlobMissing):
            await reading
    assert await blobs.find(key) is None
    assert await blobs.size(key) is None
    assert await blobs.get(now) == b"behind"


async def test_a_stream_does_not_go_on_in_another_version(blobs: BlobStore, archive: BlobStore) -> None:
    there, key = await put(archive, b"a" * 2_000_000)
    located = blobs.located(key)
    download = located.download(0, None)
    assert await located.threads.run(download.read, 10) == b"a" * 10
    await put(archive, b"b" * 2_000_000, there)
    assert download._reply is not None
    download._reply.close()  # as a connection that breaks
    download._reply = None
    with pytest.raises(BlobMissing):
        await located.threads.run(download.read, 10)


async def test_what_is_gone_or_of_no_origin_is_missing(blobs: BlobStore, archive: BlobStore) -> None:
    there, key = await put(archive, b"data")
    await archive.delete(there)
    with pytest.raises(BlobMissing):
        await blobs.get(key)
    with pytest.raises(BlobMissing, match="no bucket is configured as origin 'another'"):
        await blobs.get(bucket_key("1", "2", "3", InBucket("another", "etag", there)))


async def test_nothing_in_a_bucket_is_deleted_or_written_by_the_key_of_a_blob(
    blobs: BlobStore, archive: BlobStore
) -> None:
    own, key = await put(archive, b"theirs")
    await blobs.delete(key)
    await blobs.delete_all([key])
    await blobs.put(key, b"ours")
    assert await archive.get(own) == b"theirs"
    assert await blobs.get(key) == b"theirs"


async def test_keys_of_a_bucket_may_look_like_ours(blobs: BlobStore, archive: BlobStore) -> None:
    _, key = await put(archive, b"data", f"buckets/{uuid4().hex}")
    assert await blobs.get(key) == b"data"


async def test_nothing_is_overwritten(archive: BlobStore) -> None:
    key = uuid4().hex
    assert await archive.create(key, b"first")
    assert not await archive.create(key, b"second")
    assert not await archive.create(key, bytes(PART + 1))
    with pytest.raises(Exists):
        async with archive.sink(key, only_new=True) as sink:
            await sink.write(bytes(2 * PART))
    with pytest.raises(Exists):
        async with archive.sink(key, only_new=True) as sink:
            await sink.write(b"third")
    assert await archive.get(key) == b"first"


async def test_what_is_large_is_written_where_nothing_is(archive: BlobStore) -> None:
    key = uuid4().hex
    async with archive.sink(key, only_new=True) as sink:
        await sink.write(bytes(PART + 3))
    assert await archive.size(key) == PART + 3
    assert await archive.create(f"{key}-2", bytes(PART + 3))


async def test_errors_say_whose_bucket_it_is_and_name_no_key(s3_settings: S3, threads: Threads) -> None:
    wrong = origin_at(s3_settings).model_copy(update={"secret_key": "wrong"})
    with buckets_of([wrong]) as buckets, pytest.raises(StoreUnavailable) as error:
        await buckets["archive"].get("1.2.3/4")
    assert error.value.detail == "The bucket of 'archive': get: 403 SignatureDoesNotMatch"


async def test_a_certificate_of_a_private_authority_is_verified_by_its_file(threads: Threads) -> None:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(CERTIFICATE)
    served = Served([[answer(b"data")]], tls)
    place = {"endpoint": served.url.partition("/blob")[0], "bucket": "archive", "region": "us-east-1"}
    origin = S3Origin.model_validate(
        {"name": "archive", "protocol": "s3", "ae_title": "ARCHIVE", "ca_file": CERTIFICATE, **place}
    )
    with closing(served), buckets_of([origin]) as buckets:
        assert await buckets["archive"].get("1.2/3") == b"data"
    (request,) = served.requests
    assert request.startswith(b"GET /archive/1.2/3 HTTP/1.1")
    assert b"Signature" not in request  # nobody has to be known where everybody may read


async def test_a_bucket_that_is_silent_holds_up_no_reader_of_another(
    s3_settings: S3, threads: Threads
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        origin = origin_at(s3_settings, f"127.0.0.1:{silent.getsockname()[1]}")
        with buckets_of([origin]) as buckets:
            s3 = s3_settings
            ours = BlobStore(
                s3.endpoint, s3.access_key, s3.secret_key, s3.bucket, threads=threads, others=buckets
            )
            await ours.ensure_bucket()
            await ours.put("ours", b"data")
            key = bucket_key("1", "2", "3", InBucket("archive", "etag", "key"))
            waiting = [asyncio.create_task(ours.get(key)) for _ in range(4 * THREADS)]
            async with asyncio.timeout(PATIENCE):
                assert await ours.get("ours") == b"data"
            assert not any(task.done() for task in waiting)
            await end_tasks(waiting)
            ours.close()


async def test_a_listing_of_many_pages_names_each_once(archive: BlobStore, threads: Threads) -> None:
    folder = uuid4().hex
    studies = ("1.2", "1.2.3", "1.2-3", "1.20")
    keys = {f"{folder}/{study}/1/{number}" for study in studies for number in range(260)}
    async with asyncio.TaskGroup() as group:
        for key in keys:
            group.create_task(archive.put(key, b""))
    listed = [one.key async for one in archive.list(f"{folder}/")]
    assert len(listed) == len(keys)
    assert set(listed) == keys
    places = [key.split("/")[1] for key in listed]
    assert len([study for study, _ in groupby(places)]) == len(studies)


@pytest.mark.parametrize("code", ["AccessDenied", "InvalidObjectState"])
def test_what_is_not_given_to_us_is_not_asked_for_again(code: str) -> None:
    error, again = judge("S3 get", Refused(403, code))
    assert isinstance(error, BlobRefused)
    assert (error.detail, again) == (f"S3 get: 403 {code}", False)


def test_of_a_host_that_is_not_found_it_is_said_in_words() -> None:
    error, again = judge("list", socket.gaierror(socket.EAI_NONAME, "Name or service not known"))
    assert (error.detail, again) == ("list: Name or service not known", True)


def test_a_certificate_that_does_not_verify_is_named_by_its_error() -> None:
    unverified = ssl.SSLCertVerificationError(1, "[SSL: CERTIFICATE_VERIFY_FAILED] (_ssl.c:1016)")
    assert judge("list", unverified)[0].detail == "list: SSLCertVerificationError"


def test_a_key_tells_all_that_is_made_of_keys() -> None:
    there = InBucket("archive", 'a"/-2', "Müller/1 2/%41")
    key = bucket_key("1.2", "1.2.3", "1.2.3.4", there)
    assert in_bucket(key) == there
    assert origin_of(key) == "archive"
    assert series_derived_prefix(key) == "derived/archive/1.2/1.2.3/"
    assert in_bucket("held/archive/1/2/3/x.dcm") is None
