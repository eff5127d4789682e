"""The blob store."""

import asyncio
import io
import itertools
from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import BinaryIO

from minio.datatypes import Object
from minio.error import S3Error

from isthmus.common.blobs.body import Body, Data
from isthmus.common.blobs.client import S3Client
from isthmus.common.blobs.download import Download
from isthmus.common.blobs.file import READ_AHEAD, RangeReader
from isthmus.common.blobs.keys import in_bucket
from isthmus.common.blobs.listing import Listing
from isthmus.common.blobs.reads import Reads
from isthmus.common.blobs.refusal import Exists
from isthmus.common.blobs.sink import Sink
from isthmus.common.blobs.spans import s3_span
from isthmus.common.blobs.upload import PART, upload
from isthmus.common.errors import BlobMissing, StoreUnavailable
from isthmus.common.telemetry import get_logger
from isthmus.common.telemetry.attributes import S3_SIZE
from isthmus.common.threads import Threads

CHUNK = 256 * 1024
DEADLINE = 30.0
HEALTH_SECONDS = 2.0
log = get_logger(__name__)
_PAGE = 1000  # the most that S3 lists, or deletes, by one request


@dataclass(frozen=True, slots=True)
class ListedBlob:
    """A blob as a listing shows it."""

    key: str
    size: int
    modified: float
    """When it was written, by the clock of S3: seconds since 1970."""
    etag: str
    """Which bytes they are (RFC 9110 8.8.3), without the quotation marks."""


@dataclass(frozen=True, slots=True)
class Located:
    """Where a blob is read."""

    client: S3Client
    threads: Threads
    key: str
    version: str | None = None
    """The ETag of what is to be read, in a bucket in which others may overwrite it."""

    def download(self, offset: int, length: int | None) -> Download:
        """Prepare to read it, or a range of it; nothing is connected yet."""
        return Download(self.client, self.key, offset, length, self.version)


class BlobStore:
    """One bucket of any S3; and, to read from, the buckets of S3 origins, in which keys of `bucket_key` lie.

    A blob is written once and never overwritten. Every operation is tried again until its deadline, and then
    raises `StoreUnavailable`. Those whose name ends in `_blocking`, and `open`, are for threads that block
    anyway.
    """

    def __init__(
        self,
        endpoint: str,
        access_key: str | None,
        secret_key: str | None,
        bucket: str,
        *,
        threads: Threads,
        deadline: float = DEADLINE,
        region: str | None = None,
        ca_file: Path | None = None,
        name: str = "S3",
        others: "Mapping[str, BlobStore]" = MappingProxyType({}),
    ) -> None:
        """Prepare; nothing is connected yet.

        Args:
            endpoint: `host:port` or `http://host:port`; with TLS `https://host:port`.
            access_key: whose the bucket is; None where everybody may read.
            secret_key: what requests are signed with; likewise.
            bucket: its name.
            threads: where the operations run; as many connections are kept open as it has workers.
            deadline: seconds for one operation, all attempts together; for `stream`, for each chunk.
            region: where it is; the server is asked, without it.
            ca_file: certificates that the server's is verified by; the usual ones, without it.
            name: what it is called in errors.
            others: the buckets of S3 origins, by the origin's name.

        Raises:
            SettingsError: endpoint, bucket, region or the file of certificates cannot be used.
        """
        self.bucket = bucket
        self._endpoint = endpoint
        self._deadline = deadline
        self._threads = threads
        self._others = others
        self._client = S3Client(
            endpoint,
            access_key,
            secret_key,
            bucket,
            connections=threads.workers,
            deadline=deadline,
            region=region,
            ca_file=ca_file,
            name=name,
        )

    def located(self, key: str) -> Located:
        """Tell where a blob is read: in our own bucket, or in that of an S3 origin.

        Raises:
            BlobMissing: it was in a bucket that is no origin any more.
        """
        there = in_bucket(key) if self._others else None
        if there is None:
            return Located(self._client, self._threads, key)
        if there.origin not in self._others:
            raise BlobMissing(f"no bucket is configured as origin {there.origin!r}")
        return replace(self._others[there.origin].located(there.key), version=there.version)

    def close(self) -> None:
        """Close the connections; operations under way are not tried again. The threads are the caller's."""
        self._client.close()

    async def ensure_bucket(self) -> None:
        """Make the bucket if it is not there; waits for an S3 that is just starting, and logs that."""

        def attempt() -> None:
            if not self._client.sdk.bucket_exists(self.bucket):
                try:
                    self._client.sdk.make_bucket(self.bucket)
                except S3Error as error:
                    if error.code not in {"BucketAlreadyOwnedByYou", "BucketAlreadyExists"}:
                        raise

        def waiting(reason: str) -> None:
            log.warning("waiting for S3", endpoint=self._endpoint, seconds=self._deadline, reason=reason)

        await self._threads.run(self._client.retry, "make bucket", attempt, waiting=waiting)

    async def healthy(self) -> bool:
        """Tell whether S3 answers and has the bucket, within three seconds."""

        def ask() -> bool:
            return self._client.retry(
                "health", lambda: self._client.sdk.bucket_exists(self.bucket), deadline=HEALTH_SECONDS
            )

        try:
            async with asyncio.timeout(HEALTH_SECONDS + 1):  # threads that are all stuck are no health either
                return await self._threads.run(ask)
        except (StoreUnavailable, TimeoutError):
            return False

    async def put(self, key: str, data: Data) -> None:
        """Write a blob; it is durable when this returns.

        Raises:
            StoreUnavailable: S3 does not take it.
        """
        await self._threads.run(self.put_blocking, key, data)

    def put_blocking(self, key: str, data: Data) -> None:
        """Write a blob from a thread, as `put`."""
        body = Body(data)
        with s3_span("put", self.bucket, body.size):
            if body.size > PART:
                upload(self._client, key, body)
            else:
                self._client.put(key, body)

    async def create(self, key: str, data: Data) -> bool:
        """Write a blob where nothing is yet; False if something is, which stays: for a bucket of others.

        After an attempt whose answer was lost, what is there may be the very same.

        Raises:
            StoreUnavailable: S3 does not take it.
        """
        try:
            await self._threads.run(self._create, key, Body(data))
        except Exists:
            return False
        return True

    def _create(self, key: str, body: Body) -> None:
        with s3_span("put", self.bucket, body.size):
            if body.size > PART:
                upload(self._client, key, body, only_new=True)
            else:
                self._client.put(key, body, only_new=True)

    async def get_in(self, reads: Reads, key: str) -> bytes:
        """Read a blob as one of many, whose span it is told by; raises what `get` does."""
        there = self.located(key)
        return await reads.one(there.client.bucket, there.threads.run(_read, there, 0, None))

    async def get(self, key: str, *, offset: int = 0, length: int | None = None) -> bytes:
        """Read a blob, or `length` bytes of it from `offset` on, at once.

        Raises:
            BlobMissing: there is no such blob.
            StoreUnavailable: S3 does not give it.
        """
        return await self.located(key).threads.run(self.get_blocking, key, offset, length)

    def get_blocking(self, key: str, offset: int = 0, length: int | None = None) -> bytes:
        """Read a blob from a thread, as `get`."""
        there = self.located(key)
        with s3_span("get", there.client.bucket) as getting:
            data = _read(there, offset, length)
            getting.set_attribute(S3_SIZE, len(data))
            return data

    async def find(self, key: str) -> bytes | None:
        """Read a blob that need not be there, at once; None if it is not.

        Raises:
            StoreUnavailable: S3 does not give it.
        """
        return await self.located(key).threads.run(self._find, key)

    async def size(self, key: str) -> int | None:
        """Give the size of a blob that need not be there, in bytes; None if it is not.

        Raises:
            StoreUnavailable: S3 does not tell.
        """
        return await self.located(key).threads.run(self._size, key)

    def _size(self, key: str) -> int | None:
        there = self.located(key)
        client = there.client
        with s3_span("head", client.bucket):
            try:
                found = client.retry("head", lambda: client.sdk.stat_object(client.bucket, there.key))
            except BlobMissing:
                return None
            return found.size if there.version in (None, found.etag) else None

    def _find(self, key: str) -> bytes | None:
        there = self.located(key)
        with s3_span("get", there.client.bucket) as getting:
            try:
                data = _read(there, 0, None)
            except BlobMissing:
                return None
            getting.set_attribute(S3_SIZE, len(data))
            return data

    async def stream(
        self, key: str, *, chunk: int = CHUNK, offset: int = 0, length: int | None = None
    ) -> AsyncGenerator[bytes, None]:
        """Read a blob, or a range of it, as chunks in constant memory.

        A connection that breaks is replaced, and reading goes on where it stopped. A reader that leaves early
        closes the iterator (`contextlib.aclosing`), and the connection with it.

        Raises:
            BlobMissing: there is no such blob.
            StoreUnavailable: S3 does not give it, or not all of it.
        """
        there = self.located(key)
        download = there.download(offset, length)
        with s3_span("get", there.client.bucket, current=False) as getting, closing(download):
            size = 0
            while piece := await there.threads.run(download.read, chunk):
                size += len(piece)
                yield piece
            getting.set_attribute(S3_SIZE, size)

    def open(self, key: str, size: int) -> BinaryIO:
        """Give a blob of `size` bytes as a seekable file, for one thread; it fetches 64 KiB at a time."""
        return io.BufferedReader(
            RangeReader(lambda offset, length: self.get_blocking(key, offset, length), size), READ_AHEAD
        )

    def sink(self, key: str, *, is_shared: bool = False, only_new: bool = False) -> Sink:
        """Give a blob that is written as its bytes arrive.

        Args:
            key: where.
            is_shared: whether others may write the same bytes to it: what is there is then not deleted when
                nobody knows whether the last request did it.
            only_new: whether nothing may be there yet: if something is, it stays, and leaving the sink raises
                `Exists`.
        """
        return Sink(self._client, self._threads, key, is_shared=is_shared or only_new, only_new=only_new)

    async def delete(self, key: str) -> None:
        """Delete a blob; it is no error if there is none."""
        await self._threads.run(self._client.delete, key)

    async def delete_all(self, keys: Iterable[str]) -> None:
        """Delete many blobs, a thousand by one request; it is no error if some of them are not there.

        Raises:
            StoreUnavailable: S3 does not do it, or not all of it.
        """
        left = iter(keys)
        while page := tuple(itertools.islice(left, _PAGE)):
            await self._threads.run(self._client.delete_together, page)

    async def list(self, prefix: str, *, deadline: float | None = None) -> AsyncGenerator[ListedBlob, None]:
        """List the blobs whose keys begin with `prefix`, in the order of their keys.

        Args:
            prefix: what their keys begin with.
            deadline: seconds for each thousand of them, where it is less than that of the store.

        Raises:
            StoreUnavailable: S3 does not tell.
        """
        last: str | None = None
        with Listing.told(self.bucket) as listing:
            while True:
                page = await listing.page(self._threads.run(self._page, prefix, last, deadline))
                for listed in page:
                    last = listed.object_name
                    modified = listed.last_modified.timestamp() if listed.last_modified else 0.0
                    yield ListedBlob(listed.object_name or "", listed.size or 0, modified, listed.etag or "")
                if len(page) < _PAGE:
                    return

    def _page(self, prefix: str, after: str | None, deadline: float | None) -> "tuple[Object, ...]":
        def attempt() -> "tuple[Object, ...]":
            found = self._client.sdk.list_objects(self.bucket, prefix, recursive=True, start_after=after)
            return tuple(itertools.islice(found, _PAGE))

        return self._client.retry("list", attempt, deadline=deadline)


def _read(there: Located, offset: int, length: int | None) -> bytes:
    with closing(there.download(offset, length)) as download:
        pieces = list(iter(lambda: download.read(8 * 1024 * 1024), b""))
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)
