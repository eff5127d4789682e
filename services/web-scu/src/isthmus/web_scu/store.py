"""A store job of an inbox: each of its instances goes the one way in, byte for byte."""

import asyncio
import hashlib
from collections.abc import Sequence
from contextlib import aclosing
from typing import Final

import structlog

from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus, end_tasks, progress, subjects
from isthmus.common.bus.jobs import MAX_DELIVERIES, Running
from isthmus.common.config import Inbox
from isthmus.common.errors import (
    BlobMissing,
    IsthmusError,
    MalformedDataset,
    NotDelivered,
    OperationFailed,
    StoreUnavailable,
)
from isthmus.common.inbox.deposit import Deposits
from isthmus.common.messages import BlobRef, Failure, InstanceStored, Store, StoreDone, decode, store_fact
from isthmus.web_scu.head import HEAD_BYTES, incoming
from isthmus.web_scu.listed import Listed, Stored

SMALL_BYTES: Final = 4 * 1024 * 1024
"""What is held in memory; what is larger is read twice: for its digest, and to be written."""
AT_ONCE: Final = 4
"""Instances of one job."""
SUCCESS: Final = 0x0000
DUPLICATE_SOP_INSTANCE: Final = 0x0111
PROCESSING_FAILURE: Final = 0x0110
CANNOT_UNDERSTAND: Final = 0xC000

Numbered = tuple[int, BlobRef]

log = structlog.get_logger()


class StoreWork:
    """Works on the store jobs of one inbox."""

    def __init__(self, bus: Bus, blobs: BlobStore, inbox: Inbox, deposits: Deposits) -> None:
        self._bus = bus
        self._blobs = blobs
        self._inbox = inbox
        self._deposits = deposits
        self._listed = Listed(bus, blobs, inbox.name)

    async def __call__(self, running: Running[Store]) -> None:
        """Take every instance, publish what became of each, then the end; only then is the job off the queue.

        The end comes when what is new can be found, if that is soon.

        A job that a dead worker left goes on after the last published answer; what that one took without
        saying so is taken again, which makes no second event.

        Raises:
            UnavailableError: NATS is away; the job is delivered again.
        """
        store = running.job
        subject = subjects.stored(store.origin, store.job)
        facts = await progress.replay(self._bus, subject, store_fact) if running.deliveries > 1 else []
        if any(isinstance(fact, StoreDone) for fact in facts):
            await running.acknowledge()
            return
        results = {fact.index: fact for fact in facts if isinstance(fact, InstanceStored)}
        left = [one for one in enumerate(await self._refs(running)) if one[0] not in results]
        taking = _Taking(left, self._given_up(running))

        async def take_some() -> None:
            while (one := taking.next()) is not None:
                result = await self._result(one, taking)
                await progress.publish(self._bus, subject, result, f"{store.job}.{result.index}")
                results[result.index] = result

        taking_some = [asyncio.create_task(take_some()) for _ in range(min(AT_ONCE, len(left)))]
        try:
            await asyncio.gather(*taking_some)
        finally:
            await end_tasks(taking_some)
        if taking.new:
            await self._listed.wait_for(taking.new)
        failed = sum(result.failure is not None for result in results.values())
        done = StoreDone(len(results) - failed, failed)
        await progress.publish(self._bus, subject, done, f"{store.job}.done")
        await running.acknowledge()

    def _given_up(self, running: Running[Store]) -> IsthmusError | None:
        if running.deaths < MAX_DELIVERIES:
            return None
        return NotDelivered(f"Given up after {MAX_DELIVERIES} workers died of it", origin=running.job.origin)

    async def _refs(self, running: Running[Store]) -> Sequence[BlobRef]:
        store = running.job
        if store.manifest is None:
            return store.blobs
        try:
            return decode(await self._blobs.get(store.manifest), Store).blobs
        except StoreUnavailable as error:
            if not isinstance(error, BlobMissing) and running.deaths < MAX_DELIVERIES:
                raise
            # Nobody knows any more what was to be stored: who asked has gone, or will hear of no result.
            log.warning("store without its manifest", origin=store.origin, detail=error.detail)
            return ()

    async def _result(self, one: Numbered, taking: "_Taking") -> InstanceStored:
        """Take one instance; NATS in trouble is raised, all else is its result."""
        index, ref = one
        try:
            if taking.given_up is not None:
                raise taking.given_up
            await self._take(ref, taking)
        except BlobMissing as error:
            return _failed(index, ref, PROCESSING_FAILURE, error)
        except StoreUnavailable as error:
            taking.given_up = error  # S3 was waited for, and the rest need not wait as long each
            return _failed(index, ref, PROCESSING_FAILURE, error)
        except MalformedDataset as error:
            refusal = OperationFailed(
                error.detail, origin=self._inbox.name, status=CANNOT_UNDERSTAND, operation="C-STORE"
            )
            return _failed(index, ref, CANNOT_UNDERSTAND, refusal)
        except (OperationFailed, NotDelivered) as error:
            return _failed(index, ref, error.status or PROCESSING_FAILURE, error)
        return InstanceStored(index, ref.sop_class_uid, ref.sop_instance_uid, SUCCESS)

    async def _take(self, ref: BlobRef, taking: "_Taking") -> None:
        if ref.size <= SMALL_BYTES:
            data = await self._blobs.get(ref.key)
            head, digest = data, hashlib.sha256(data).hexdigest()
        else:
            data = None
            head = await self._blobs.get(ref.key, length=HEAD_BYTES)
            digest = await self._digest(ref)

        async def write(key: str) -> None:
            if data is not None:
                await self._blobs.put(key, data)
            else:
                await self._copy(ref, key)

        instance = incoming(head, ref.size, digest)
        deposited = await self._deposits.deposit(self._inbox, instance, write)
        if deposited.is_duplicate_uid:
            raise OperationFailed(
                "The inbox has another instance with this SOP Instance UID",
                origin=self._inbox.name,
                status=DUPLICATE_SOP_INSTANCE,
                operation="C-STORE",
            )
        if deposited.is_new:
            uids = instance.identity
            taking.new.add((uids.study_instance_uid, uids.sop_instance_uid, digest))

    async def _digest(self, ref: BlobRef) -> str:
        digest = hashlib.sha256()
        async with aclosing(self._blobs.stream(ref.key)) as chunks:
            async for chunk in chunks:
                await asyncio.to_thread(digest.update, chunk)
        return digest.hexdigest()

    async def _copy(self, ref: BlobRef, key: str) -> None:
        # The key holds the digest: another sender of these bytes may have been told that they are there.
        async with (
            aclosing(self._blobs.stream(ref.key)) as chunks,
            self._blobs.sink(key, is_shared=True) as sink,
        ):
            async for chunk in chunks:
                await sink.write(chunk)


class _Taking:
    """What is left of a job."""

    def __init__(self, left: Sequence[Numbered], given_up: IsthmusError | None) -> None:
        self._left = iter(left)
        self.given_up = given_up
        """Why the rest is not tried."""
        self.new: Final[set[Stored]] = set()
        """What was not there before."""

    def next(self) -> Numbered | None:
        """Give the next one."""
        return next(self._left, None)


def _failed(index: int, ref: BlobRef, status: int, error: IsthmusError) -> InstanceStored:
    return InstanceStored(index, ref.sop_class_uid, ref.sop_instance_uid, status, Failure.of(error))
