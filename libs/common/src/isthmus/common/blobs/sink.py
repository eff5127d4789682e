"""Bytes as they arrive, to S3, in constant memory."""

import asyncio
import threading
from types import TracebackType
from typing import Self

from isthmus.common.blobs.body import Body, Buffer
from isthmus.common.blobs.client import S3Client
from isthmus.common.blobs.upload import ABORT_SECONDS, PART
from isthmus.common.errors import StoreUnavailable
from isthmus.common.telemetry import SpanKind, get_logger, span
from isthmus.common.threads import Threads

log = get_logger(__name__)


class Sink:
    """A blob that is being written: `async with store.sink(key) as sink: await sink.write(chunk)`.

    Up to 8 MiB it is one put at the end, beyond that a multipart upload. A block that is left by an
    exception or a cancellation leaves nothing in S3. The key must be the writer's own: on failure what is
    there is deleted.
    """

    def __init__(self, client: S3Client, threads: Threads, key: str) -> None:
        self._client = client
        self._threads = threads
        self._key = key
        self._waiting: list[bytes] = []
        self._waiting_size = 0
        self._size = 0
        self._upload_id: str | None = None
        self._etags: list[str] = []
        self._written = False
        # A cancelled task leaves its thread at work: what cleans up waits for that.
        self._busy = threading.Lock()

    @property
    def size(self) -> int:
        """How many bytes were written."""
        return self._size

    async def write(self, chunk: Buffer) -> None:
        """Take bytes; waits while S3 takes a part. What is mutable is copied.

        Raises:
            StoreUnavailable: S3 does not take it.
        """
        if not isinstance(chunk, bytes):
            chunk = bytes(chunk)
        self._waiting.append(chunk)
        self._waiting_size += len(chunk)
        self._size += len(chunk)
        if self._waiting_size > PART:
            await self._threads.run(self._send_part, self._take())

    async def __aenter__(self) -> Self:
        """Begin; nothing is sent yet."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Make the blob, or leave nothing of it.

        Raises:
            StoreUnavailable: S3 does not take it; nothing is left of it then either.
        """
        if error is None:
            try:
                with span("S3 put", {"s3.size": self._size}, kind=SpanKind.CLIENT):
                    await self._threads.run(self._finish, self._take())
            except BaseException:
                await self._abort()
                raise
        else:
            await self._abort()

    def _take(self) -> Body:
        body = Body(self._waiting)
        self._waiting, self._waiting_size = [], 0
        return body

    def _send_part(self, body: Body) -> None:
        with self._busy:
            if self._upload_id is None:
                self._upload_id = self._client.begin_upload(self._key)
            number = len(self._etags) + 1
            with span("S3 put part", {"s3.size": body.size}, kind=SpanKind.CLIENT):
                self._etags.append(self._client.upload_part(self._key, self._upload_id, number, body))

    def _finish(self, body: Body) -> None:
        if self._upload_id is not None:
            if body.size:
                self._send_part(body)
            with self._busy:
                self._written = True
                self._client.complete_upload(self._key, self._upload_id, self._etags, self._size)
            return
        with self._busy:
            self._written = True
            self._client.put(self._key, body)

    async def _abort(self) -> None:
        # Shielded, because a second cancellation must not leave the parts behind.
        await asyncio.shield(self._threads.run(self._clean_up))

    def _clean_up(self) -> None:
        with self._busy:
            try:
                if self._upload_id is not None:
                    self._client.abort_upload(self._key, self._upload_id, deadline=ABORT_SECONDS)
                if self._written:
                    self._client.delete(self._key, deadline=ABORT_SECONDS)
            except StoreUnavailable as error:
                log.warning("an aborted upload is left behind", reason=error.detail)
