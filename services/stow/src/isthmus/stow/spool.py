"""The parts of one request in S3, from their arrival until their results are known."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from types import TracebackType
from typing import Final, Self

from isthmus.common.blobs import BlobStore, spool_key
from isthmus.common.bus.stores import is_inline, new_timed_job
from isthmus.common.dicom.from_json import Piece, Stretch, length_of
from isthmus.common.dicom.part10 import Identity, file_header
from isthmus.common.errors import StoreUnavailable
from isthmus.common.messages import BlobRef, Store, encode
from isthmus.common.telemetry import get_logger
from isthmus.stow.head import Head

SMALL_BYTES: Final = 2 * 1024 * 1024
"""A part that is put as a whole; what is larger goes into S3 as it comes."""
PUTS_AT_ONCE: Final = 4
"""Small parts of one request on their way into S3."""

LATE_SECONDS: Final = 1.0
"""In which S3 does what it was asked before it fell silent, once it goes on."""

SPOOL: Final = "spool/"
log = get_logger(__name__)


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
        self._has_failed = False
        """Whether S3 did not take something, as far as it said."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if not self.is_lent:
            await self._delete()

    async def add(self, head: Head, rest: AsyncIterator[bytes]) -> BlobRef:
        """Take an object, byte for byte, in constant memory; a small one is put while the next one is read.

        Raises:
            UnreadablePayload: the body ended in this part; nothing of it stays.
            StoreUnavailable: S3 does not take it, or one before it.
        """
        key = self._new_key()
        size = await self._keep(key, head.data, rest)
        return self._refer(key, size, head.identity, head.transfer_syntax_uid)

    async def keep(self, content: AsyncIterator[bytes]) -> Stretch:
        """Take a value, in constant memory; it is no instance, and not among the refs.

        Raises:
            UnreadablePayload: the body ended in this part; nothing of it stays.
            StoreUnavailable: S3 does not take it, or one before it.
        """
        key = self._new_key()
        return Stretch(key, 0, await self._keep(key, b"", content))

    async def write(self, identity: Identity, transfer_syntax_uid: str, dataset: Sequence[Piece]) -> BlobRef:
        """Write an instance of metadata and of the values that were kept, in constant memory.

        Small ones are written several at a time. Before the first one, what it refers to must be `settled`.

        Raises:
            StoreUnavailable: S3 does not give or take it, or one before it.
        """
        header = file_header(
            sop_class_uid=identity.sop_class_uid,
            sop_instance_uid=identity.sop_instance_uid,
            transfer_syntax_uid=transfer_syntax_uid,
            source_ae_title=None,
        )
        key, pieces = self._new_key(), [header, *dataset]
        size = length_of(pieces)
        if size > SMALL_BYTES:
            async with self._blobs.sink(key) as sink:
                async for chunk in self._chunks(pieces):
                    await sink.write(chunk)
        else:
            await self.settled(PUTS_AT_ONCE - 1)
            self._putting.add(asyncio.create_task(self._write_small(key, pieces)))
        return self._refer(key, size, identity, transfer_syntax_uid)

    async def _write_small(self, key: str, pieces: Sequence[Piece]) -> None:
        await self._blobs.put(key, [chunk async for chunk in self._chunks(pieces)])

    async def _chunks(self, pieces: Sequence[Piece]) -> AsyncIterator[bytes]:
        for piece in pieces:
            if isinstance(piece, bytes):
                yield piece
                continue
            stream = self._blobs.stream(piece.source, offset=piece.offset, length=piece.length)
            async with aclosing(stream):
                async for chunk in stream:
                    yield chunk

    def _refer(self, key: str, size: int, identity: Identity, transfer_syntax_uid: str) -> BlobRef:
        ref = BlobRef(
            bucket=self._blobs.bucket,
            key=key,
            size=size,
            study_instance_uid=identity.study_instance_uid,
            series_instance_uid=identity.series_instance_uid,
            sop_instance_uid=identity.sop_instance_uid,
            sop_class_uid=identity.sop_class_uid,
            transfer_syntax_uid=transfer_syntax_uid,
        )
        self.refs.append(ref)
        return ref

    async def _keep(self, key: str, begin: bytes, rest: AsyncIterator[bytes]) -> int:
        begun, size = [begin], len(begin)
        async for chunk in rest:
            begun.append(chunk)
            size += len(chunk)
            if size > SMALL_BYTES:
                return await self._stream(key, begun, rest)
        await self.settled(PUTS_AT_ONCE - 1)
        self._putting.add(asyncio.create_task(self._blobs.put(key, begun)))
        return size

    async def _stream(self, key: str, begun: list[bytes], rest: AsyncIterator[bytes]) -> int:
        async with self._blobs.sink(key) as sink:
            for chunk in begun:
                await sink.write(chunk)
            begun.clear()
            async for chunk in rest:
                await sink.write(chunk)
        return sink.size

    async def settled(self, left: int = 0) -> None:
        """Wait until no more than so many small blobs are on their way into S3.

        Raises:
            StoreUnavailable: S3 does not take one of them.
        """
        while len(self._putting) > left:
            done, self._putting = await asyncio.wait(self._putting, return_when=asyncio.FIRST_COMPLETED)
            errors = [error for put in done if (error := put.exception())]
            if errors:
                self._has_failed = True
                raise errors[0]

    async def store(self, origin: str) -> Store:
        """Make the job of all parts, once they are in S3; refs too long for a message go into a manifest.

        Raises:
            StoreUnavailable: S3 does not take one of them.
        """
        await self.settled()
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
            failures = [put.exception() for put in self._putting]  # the first was raised, or nobody waits
            self._has_failed |= any(failures)
        try:
            await self._blobs.delete_all(self._keys)
            if self._has_failed:
                await asyncio.sleep(LATE_SECONDS)
                await self._blobs.delete_all(self._keys)
        except StoreUnavailable as error:
            log.warning("spool not deleted", blobs=len(self._keys), detail=error.detail)
