"""The parts of one request in S3, from their arrival until their results are known."""

import asyncio
import math
import re
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from io import BytesIO
from types import TracebackType
from typing import Final, Self

from isthmus.common.blobs import BlobStore, spool_key
from isthmus.common.bus.stores import is_inline, new_job
from isthmus.common.dicom.part10 import Identity, file_header, identify, read_file_meta
from isthmus.common.errors import MalformedDataset, StoreUnavailable, UnreadablePayload
from isthmus.common.messages import BlobRef, Store, encode
from isthmus.common.telemetry import get_logger

FIRST_LOOK_BYTES: Final = 64 * 1024
"""The UIDs of most instances are in here."""
LAST_LOOK_BYTES: Final = 1024 * 1024
"""A part whose UIDs are not in here is no DICOM object that we take."""
SMALL_BYTES: Final = 2 * 1024 * 1024
"""A part that is put as a whole; what is larger goes into S3 as it comes."""
PUTS_AT_ONCE: Final = 4
"""Small parts of one request on their way into S3."""

SPOOL: Final = "spool/"
_TIMED_JOB: Final = re.compile(r"spool/([0-9a-f]{8,9})-[0-9a-f]{32}/")

log = get_logger(__name__)


class Head:
    """The beginning of a part, as far as it was needed to tell which instance it is."""

    def __init__(self, data: bytes) -> None:
        """Identify the instance.

        Raises:
            MalformedDataset: it cannot be read, or not from as few bytes.
        """
        meta = read_file_meta(BytesIO(data))
        self.identity: Final[Identity] = identify(
            memoryview(data)[meta.dataset_offset :], meta.transfer_syntax_uid
        )
        self.transfer_syntax_uid: Final = meta.transfer_syntax_uid
        # Without File Meta Information nobody could tell the transfer syntax once the blob stands alone.
        self.data: Final = data if meta.dataset_offset else self._header() + data

    def _header(self) -> bytes:
        return file_header(
            sop_class_uid=self.identity.sop_class_uid,
            sop_instance_uid=self.identity.sop_instance_uid,
            transfer_syntax_uid=self.transfer_syntax_uid,
            source_ae_title=None,
        )


async def read_head(chunks: AsyncIterator[bytes]) -> Head | None:
    """Read a part until its instance is known; None when it is no DICOM object."""
    data = bytearray()
    look = FIRST_LOOK_BYTES
    # A body that ends here raises that again to whoever reads on: what came may still tell the instance.
    with suppress(UnreadablePayload):
        async for chunk in chunks:
            data += chunk
            if len(data) < look:
                continue
            head = _head(bytes(data))
            if head is not None or look >= LAST_LOOK_BYTES:
                return head
            look *= 4
    return _head(bytes(data))


def _head(data: bytes) -> Head | None:
    try:
        return Head(data)
    except MalformedDataset:
        return None


def new_timed_job(now: float | None = None) -> str:
    """Make a random job id that tells when the job began, so that what is left of it can be swept up."""
    return f"{int(time.time() if now is None else now):x}-{new_job()}"


def began(key: str) -> float:
    """Give the time, in seconds since 1970, when the job of a spooled blob began; infinite if not ours."""
    job = _TIMED_JOB.match(key)
    return float(int(job[1], 16)) if job else math.inf


class Spool:
    """The blobs of one store job, several of them on their way into S3 at the same time.

    Leaving the block deletes them, unless a worker may still need them.
    """

    def __init__(self, blobs: BlobStore) -> None:
        self.job: Final = new_timed_job()
        self.refs: Final[list[BlobRef]] = []
        self.is_lent = False
        """Whether the job is in the queue and its end is not known."""
        self._blobs = blobs
        self._keys: list[str] = []
        self._putting: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if not self.is_lent:
            await self._delete()

    async def add(self, head: Head, rest: AsyncIterator[bytes]) -> BlobRef:
        """Take a part, byte for byte, in constant memory; a small one is put while the next one is read.

        Raises:
            UnreadablePayload: the body ended in this part; nothing of it stays.
            StoreUnavailable: S3 does not take it, or one before it.
        """
        key = self._new_key()
        begun, size = [head.data], len(head.data)
        async for chunk in rest:
            begun.append(chunk)
            size += len(chunk)
            if size > SMALL_BYTES:
                size = await self._stream(key, begun, rest)
                break
        else:
            await self._settle(PUTS_AT_ONCE - 1)
            self._putting.add(asyncio.create_task(self._blobs.put(key, begun)))
        ref = BlobRef(
            bucket=self._blobs.bucket,
            key=key,
            size=size,
            study_instance_uid=head.identity.study_instance_uid,
            series_instance_uid=head.identity.series_instance_uid,
            sop_instance_uid=head.identity.sop_instance_uid,
            sop_class_uid=head.identity.sop_class_uid,
            transfer_syntax_uid=head.transfer_syntax_uid,
        )
        self.refs.append(ref)
        return ref

    async def _stream(self, key: str, begun: list[bytes], rest: AsyncIterator[bytes]) -> int:
        async with self._blobs.sink(key) as sink:
            for chunk in begun:
                await sink.write(chunk)
            begun.clear()
            async for chunk in rest:
                await sink.write(chunk)
        return sink.size

    async def _settle(self, left: int = 0) -> None:
        """Wait until no more than so many are being put."""
        while len(self._putting) > left:
            done, self._putting = await asyncio.wait(self._putting, return_when=asyncio.FIRST_COMPLETED)
            errors = [error for put in done if (error := put.exception())]
            if errors:
                raise errors[0]

    async def store(self, origin: str) -> Store:
        """Make the job of all parts, once they are in S3; refs too long for a message go into a manifest.

        Raises:
            StoreUnavailable: S3 does not take one of them.
        """
        await self._settle()
        job = Store(origin, self.job, tuple(self.refs))
        if is_inline(job):
            return job
        key = self._new_key()
        await self._blobs.put(key, encode(job))
        return Store(origin, self.job, manifest=key)

    def _new_key(self) -> str:
        key = spool_key(self.job, len(self._keys))
        self._keys.append(key)
        return key

    async def _delete(self) -> None:
        if self._putting:
            # A thread that puts a blob goes on, whoever is cancelled: what it puts is there only then.
            await asyncio.wait(self._putting)
            for put in self._putting:
                put.exception()  # the first of them was raised, or nobody waits any more
        try:
            await self._blobs.delete_all(self._keys)
        except StoreUnavailable as error:
            log.warning("spool not deleted", blobs=len(self._keys), detail=error.detail)
