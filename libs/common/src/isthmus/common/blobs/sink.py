"""Bytes as they arrive, to S3, in constant memory."""

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Final, ParamSpec, Self

from isthmus.common.blobs.body import Body, Buffer
from isthmus.common.blobs.client import S3Client
from isthmus.common.blobs.spans import s3_span
from isthmus.common.blobs.upload import ABORT_SECONDS, PART, MultipartUpload
from isthmus.common.errors import StoreUnavailable
from isthmus.common.telemetry import get_logger
from isthmus.common.threads import Threads

PARTS_AT_ONCE: Final = 2
"""Being sent, while another one is being collected."""

P = ParamSpec("P")

log = get_logger(__name__)


class Sink:
    """A blob that is being written: `async with store.sink(key) as sink: await sink.write(chunk)`.

    Up to 8 MiB it is one put at the end, beyond that a multipart upload. A block that is left by an
    exception or a cancellation leaves nothing in S3. The key must be the writer's own: on failure what is
    there is deleted; unless others may write the same bytes to it, whose blob this is then too.
    """

    def __init__(
        self,
        client: S3Client,
        threads: Threads,
        key: str,
        *,
        is_shared: bool = False,
        only_new: bool = False,
    ) -> None:
        self._client = client
        self._threads = threads
        self._key = key
        self._is_shared = is_shared
        self._only_new = only_new
        self._waiting: list[bytes] = []
        self._waiting_size = 0
        self._size = 0
        self._parts = MultipartUpload(client, key, only_new=only_new)
        self._begun = 0
        self._written = False
        # A cancelled writer leaves threads at work: what cleans up waits for them.
        self._working: set[asyncio.Task[None]] = set()

    @property
    def size(self) -> int:
        """How many bytes were written."""
        return self._size

    async def write(self, chunk: Buffer) -> None:
        """Take bytes; waits while S3 takes enough parts. What is mutable is copied.

        Raises:
            StoreUnavailable: S3 does not take it.
        """
        if not isinstance(chunk, bytes):
            chunk = bytes(chunk)
        self._waiting.append(chunk)
        self._waiting_size += len(chunk)
        self._size += len(chunk)
        if self._waiting_size > PART:
            await self._settle(PARTS_AT_ONCE - 1)
            self._send_part()

    async def __aenter__(self) -> Self:
        """Begin; nothing is sent yet."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Make the blob, or leave nothing of it.

        Raises:
            StoreUnavailable: S3 does not take it; nothing is left of it then either.
            Exists: something is there already, and only what is new was to be written.
        """
        if error is None:
            try:
                with s3_span("put", self._client.bucket, self._size):
                    await self._finish()
            except BaseException:
                await self._abort()
                raise
        else:
            await self._abort()

    def _send_part(self) -> None:
        self._begun += 1
        self._start(self._parts.send, self._begun, self._take())

    def _take(self) -> Body:
        body = Body(self._waiting)
        self._waiting, self._waiting_size = [], 0
        return body

    def _start(self, work: Callable[P, None], *args: P.args, **kwargs: P.kwargs) -> None:
        self._working.add(asyncio.create_task(self._threads.run(work, *args, **kwargs)))

    async def _settle(self, left: int = 0) -> None:
        """Wait until no more than so many threads are at work; raise what one of them raised."""
        while len(self._working) > left:
            done, self._working = await asyncio.wait(self._working, return_when=asyncio.FIRST_COMPLETED)
            errors = [error for task in done if (error := task.exception())]
            if errors:
                raise errors[0]

    async def _finish(self) -> None:
        if self._begun:
            if self._waiting:
                self._send_part()
            await self._settle()
        self._written = True
        if self._begun:
            self._start(self._parts.complete, self._size)
        else:
            self._start(self._client.put, self._key, self._take(), only_new=self._only_new)
        await self._settle()

    async def _abort(self) -> None:
        # Shielded, because a second cancellation must not leave the parts behind.
        await asyncio.shield(self._clean_up_after(self._working))

    async def _clean_up_after(self, working: set[asyncio.Task[None]]) -> None:
        if working:
            await asyncio.wait(working)
            for task in working:
                task.exception()  # another one was raised
        await self._threads.run(self._clean_up)

    def _clean_up(self) -> None:
        try:
            self._parts.abort()
            if self._written and not self._is_shared:
                self._client.delete(self._key, deadline=ABORT_SECONDS)
        except StoreUnavailable as error:
            log.warning("an aborted upload is left behind", reason=error.detail)
