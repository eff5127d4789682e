"""The blob store."""

import asyncio
import io
import itertools
from collections.abc import AsyncGenerator, Iterable
from contextlib import closing
from dataclasses import dataclass
from typing import BinaryIO

from minio.datatypes import Object
from minio.error import S3Error

from isthmus.common.blobs.body import Body, Data
from isthmus.common.blobs.client import S3Client
from isthmus.common.blobs.download import Download
from isthmus.common.blobs.file import READ_AHEAD, RangeReader
from isthmus.common.blobs.sink import Sink
from isthmus.common.blobs.upload import PART, upload
from isthmus.common.errors import BlobMissing, StoreUnavailable
from isthmus.common.telemetry import SpanKind, span
from isthmus.common.threads import Threads

CHUNK = 256 * 1024
DEADLINE = 30.0
HEALTH_SECONDS = 2.0
_PAGE = 1000  # the most that S3 lists, or deletes, by one request


@dataclass(frozen=True, slots=True)
class ListedBlob:
    """A blob as a listing shows it."""

    key: str
    size: int
    modified: float
    """When it was written, by the clock of S3: seconds since 1970."""


class BlobStore:
    """One bucket of any S3.

    A blob is written once and never overwritten. Every operation is tried again until its deadline, and then
    raises `StoreUnavailable`. Those whose name ends in `_blocking`, and `open`, are for threads that block
    anyway.
    """

    def __init__(
        self,
        endpoint: str,
        access_key: str,
        secret_key: str,
        bucket: str,
        *,
        threads: Threads,
        deadline: float = DEADLINE,
    ) -> None:
        """Prepare; nothing is connected yet.

        Args:
            endpoint: `host:port` or `http://host:port`; with TLS `https://host:port`.
            access_key: whose the bucket is.
            secret_key: what requests are signed with.
            bucket: its name.
            threads: where the operations run; as many connections are kept open as it has workers.
            deadline: seconds for one operation, all attempts together; for `stream`, for each chunk.
        """
        self.bucket = bucket
        self._threads = threads
        self._client = S3Client(
            endpoint, access_key, secret_key, bucket, connections=threads.workers, deadline=deadline
        )

    def close(self) -> None:
        """Close the connections; operations under way are not tried again. The threads are the caller's."""
        self._client.close()

    async def ensure_bucket(self) -> None:
        """Make the bucket if it is not there; waits for an S3 that is just starting."""

        def attempt() -> None:
            if not self._client.sdk.bucket_exists(self.bucket):
                try:
                    self._client.sdk.make_bucket(self.bucket)
                except S3Error as error:
                    if error.code not in {"BucketAlreadyOwnedByYou", "BucketAlreadyExists"}:
                        raise

        await self._threads.run(self._client.retry, "make bucket", attempt)

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
        with span("S3 put", {"s3.size": body.size}, kind=SpanKind.CLIENT):
            if body.size > PART:
                upload(self._client, key, body)
            else:
                self._client.put(key, body)

    async def get(self, key: str, *, offset: int = 0, length: int | None = None) -> bytes:
        """Read a blob, or `length` bytes of it from `offset` on, at once.

        Raises:
            BlobMissing: there is no such blob.
            StoreUnavailable: S3 does not give it.
        """
        return await self._threads.run(self.get_blocking, key, offset, length)

    def get_blocking(self, key: str, offset: int = 0, length: int | None = None) -> bytes:
        """Read a blob from a thread, as `get`."""
        with span("S3 get", kind=SpanKind.CLIENT) as getting:
            data = self._read(key, offset, length)
            getting.set_attribute("s3.size", len(data))
            return data

    async def find(self, key: str) -> bytes | None:
        """Read a blob that need not be there, at once; None if it is not.

        Raises:
            StoreUnavailable: S3 does not give it.
        """
        return await self._threads.run(self._find, key)

    async def size(self, key: str) -> int | None:
        """Give the size of a blob that need not be there, in bytes; None if it is not.

        Raises:
            StoreUnavailable: S3 does not tell.
        """
        return await self._threads.run(self._size, key)

    def _size(self, key: str) -> int | None:
        with span("S3 head", kind=SpanKind.CLIENT):
            try:
                found = self._client.retry("head", lambda: self._client.sdk.stat_object(self.bucket, key))
            except BlobMissing:
                return None
            return found.size

    def _find(self, key: str) -> bytes | None:
        with span("S3 get", kind=SpanKind.CLIENT) as getting:
            try:
                data = self._read(key, 0, None)
            except BlobMissing:
                return None
            getting.set_attribute("s3.size", len(data))
            return data

    def _read(self, key: str, offset: int, length: int | None) -> bytes:
        with closing(Download(self._client, key, offset, length)) as download:
            pieces = list(iter(lambda: download.read(8 * 1024 * 1024), b""))
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

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
        download = Download(self._client, key, offset, length)
        with span("S3 get", kind=SpanKind.CLIENT, current=False) as getting, closing(download):
            size = 0
            while piece := await self._threads.run(download.read, chunk):
                size += len(piece)
                yield piece
            getting.set_attribute("s3.size", size)

    def open(self, key: str, size: int) -> BinaryIO:
        """Give a blob of `size` bytes as a seekable file, for one thread; it fetches 64 KiB at a time."""
        return io.BufferedReader(
            RangeReader(lambda offset, length: self.get_blocking(key, offset, length), size), READ_AHEAD
        )

    def sink(self, key: str, *, is_shared: bool = False) -> Sink:
        """Give a blob that is written as its bytes arrive.

        Args:
            key: where.
            is_shared: whether others may write the same bytes to it: what is there is then not deleted when
                nobody knows whether the last request did it.
        """
        return Sink(self._client, self._threads, key, is_shared=is_shared)

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

    async def list(self, prefix: str) -> AsyncGenerator[ListedBlob, None]:
        """List the blobs whose keys begin with `prefix`, in the order of their keys."""
        last: str | None = None
        while True:
            page = await self._threads.run(self._page, prefix, last)
            for listed in page:
                last = listed.object_name
                modified = listed.last_modified.timestamp() if listed.last_modified else 0.0
                yield ListedBlob(listed.object_name or "", listed.size or 0, modified)
            if len(page) < _PAGE:
                return

    def _page(self, prefix: str, after: str | None) -> "tuple[Object, ...]":
        def attempt() -> "tuple[Object, ...]":
            found = self._client.sdk.list_objects(self.bucket, prefix, recursive=True, start_after=after)
            return tuple(itertools.islice(found, _PAGE))

        return self._client.retry("list", attempt)
