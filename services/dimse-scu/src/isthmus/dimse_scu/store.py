"""A store job: C-STORE of each of its instances, byte for byte as they are in S3 (PS3.4 Annex B)."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import BinaryIO, Final

import structlog

from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus, end_tasks, progress, subjects
from isthmus.common.bus.jobs import MAX_DELIVERIES, Running
from isthmus.common.config import Origin
from isthmus.common.dicom.part10 import read_file_meta
from isthmus.common.dimse import (
    Association,
    AssociationPool,
    Category,
    Context,
    Operation,
    StoreResult,
    category,
    failure,
    for_store,
)
from isthmus.common.errors import (
    AssociationAborted,
    BlobMissing,
    IsthmusError,
    NoAcceptedContext,
    NotDelivered,
    OperationFailed,
    OriginError,
    OriginTimeout,
    StoreUnavailable,
)
from isthmus.common.messages import BlobRef, Failure, InstanceStored, Store, StoreDone, decode, store_fact
from isthmus.common.threads import Threads
from isthmus.dimse_scu.outgoing import Numbered, Outgoing
from isthmus.dimse_scu.uids import can_be_proposed

PROCESSING_FAILURE: Final = 0x0110
SOP_CLASS_NOT_SUPPORTED: Final = 0x0122
SILENCES_AT_MOST: Final = 2
"""Instances in a row that an origin is silent about, after which the rest is not sent."""

log = structlog.get_logger()


class StoreWork:
    """Works on the store jobs of one origin."""

    def __init__(
        self, bus: Bus, blobs: BlobStore, pool: AssociationPool, threads: Threads, origin: Origin
    ) -> None:
        self._bus = bus
        self._blobs = blobs
        self._pool = pool
        self._threads = threads
        self._origin = origin

    async def __call__(self, running: Running[Store]) -> None:
        """Send every instance, publish each answer, then the end; only then is the job off the queue.

        A job that a dead worker left goes on after the last published answer.

        Raises:
            BusUnavailable: an answer could not be published; the job is delivered again.
        """
        store = running.job
        subject = subjects.stored(store.origin, store.job)
        facts = await progress.replay(self._bus, subject, store_fact) if running.deliveries > 1 else []
        if any(isinstance(fact, StoreDone) for fact in facts):
            await running.acknowledge()
            return
        results = {fact.index: fact for fact in facts if isinstance(fact, InstanceStored)}
        left = [one for one in enumerate(await self._refs(running)) if one[0] not in results]
        if running.deaths >= MAX_DELIVERIES:
            detail = f"Given up after {MAX_DELIVERIES} workers died of it"
            sending = self._none(left, NotDelivered(detail, origin=store.origin))
        else:
            sending = self._send_all(left)
        async with aclosing(sending) as answers, self._publishing(subject, store.job) as publish:
            async for result in answers:
                await publish(result)
                results[result.index] = result
        failed = sum(result.failure is not None for result in results.values())
        done = StoreDone(len(results) - failed, failed)
        await progress.publish(self._bus, subject, done, f"{store.job}.done")
        await running.acknowledge()

    async def _refs(self, running: Running[Store]) -> Sequence[BlobRef]:
        store = running.job
        if store.manifest is None:
            return store.blobs
        try:
            return decode(await self._blobs.get(store.manifest), Store).blobs
        except StoreUnavailable as error:
            if not isinstance(error, BlobMissing) and running.deaths < MAX_DELIVERIES:
                raise
            # Nobody knows any more what was to be sent: who asked has gone, or will hear of no result.
            log.warning("store without its manifest", origin=store.origin, detail=error.detail)
            return ()

    async def _send_all(self, left: Sequence[Numbered]) -> AsyncGenerator[InstanceStored, None]:
        """Send over as few associations as their presentation contexts allow."""
        possible = []
        for one in left:
            if can_be_proposed(one[1].sop_class_uid) and can_be_proposed(one[1].transfer_syntax_uid):
                possible.append(one)
            else:
                yield _failed(*one, failure(SOP_CLASS_NOT_SUPPORTED, Operation.C_STORE, self._origin.name))
        async with Outgoing(self._blobs) as outgoing:
            for contexts in for_store((ref.sop_class_uid, ref.transfer_syntax_uid) for _, ref in possible):
                pairs = {(context.abstract_syntax, context.transfer_syntaxes[0]) for context in contexts}
                group = [
                    one for one in possible if (one[1].sop_class_uid, one[1].transfer_syntax_uid) in pairs
                ]
                async with aclosing(self._send_group(contexts, group, outgoing)) as answers:
                    async for answer in answers:
                        yield answer

    async def _send_group(
        self, contexts: Sequence[Context], group: Sequence[Numbered], outgoing: Outgoing
    ) -> AsyncGenerator[InstanceStored, None]:
        """Send over one association after another: after one that broke, the next instance gets a new one."""
        left = list(group)
        silences = 0
        while left:
            try:
                async with (
                    self._pool.lease(contexts) as association,
                    aclosing(self._send_over(association, left, outgoing)) as answers,
                ):
                    async for answer in answers:
                        silences = silences + 1 if _is(answer, OriginTimeout) else 0
                        yield answer
                if silences >= SILENCES_AT_MOST:
                    raise OriginTimeout("The origin stays silent", origin=self._origin.name)
            except NoAcceptedContext as error:
                refused = failure(SOP_CLASS_NOT_SUPPORTED, Operation.C_STORE, error.origin)
                async for answer in self._none(left, refused):
                    yield answer
                return
            except OriginError as error:
                # No association, or no answer: it is no use to try with each of the rest.
                async for answer in self._none(left, error):
                    yield answer
                return

    async def _send_over(
        self, association: Association, left: list[Numbered], outgoing: Outgoing
    ) -> AsyncGenerator[InstanceStored, None]:
        """Send one after the other while the association holds; what has an answer leaves the list."""
        reused = association.answered > 0
        while left and association.alive:
            answered = association.answered
            answer = await self._send(association, left, outgoing)
            if reused and association.answered == answered and _is(answer, AssociationAborted):
                # The origin had dropped it silently, while it waited for its next use.
                return
            left.pop(0)
            yield answer

    async def _none(
        self, left: Iterable[Numbered], error: IsthmusError
    ) -> AsyncGenerator[InstanceStored, None]:
        for index, ref in left:
            yield _failed(index, ref, error)

    async def _send(
        self, association: Association, left: Sequence[Numbered], outgoing: Outgoing
    ) -> InstanceStored:
        index, ref = left[0]
        try:
            result = await self._threads.run(_store, association, ref, await outgoing.open(left))
        except IsthmusError as error:  # of the origin, of S3, or the blob is no DICOM file
            return _failed(index, ref, error)
        refusal = (
            failure(result.status, Operation.C_STORE, association.peer.origin)
            if category(result.status) is Category.FAILURE
            else None
        )
        return InstanceStored(
            index,
            ref.sop_class_uid,
            ref.sop_instance_uid,
            result.status,
            Failure.of(refusal) if refusal else None,
        )

    @asynccontextmanager
    async def _publishing(
        self, subject: str, job: str
    ) -> AsyncIterator[Callable[[InstanceStored], Awaitable[None]]]:
        """Publish each result while the next instance is sent; all are published when the block ends."""
        under_way: list[asyncio.Task[None]] = []

        async def publish(result: InstanceStored) -> None:
            before = under_way.pop() if under_way else None
            publishing = progress.publish(self._bus, subject, result, f"{job}.{result.index}")
            under_way.append(asyncio.create_task(publishing))
            if before is not None:
                await before

        try:
            yield publish
            for last in under_way:
                await last
        finally:
            await end_tasks(under_way)


def _store(association: Association, ref: BlobRef, blob: BinaryIO) -> StoreResult:
    """Send one, in a thread."""
    with blob:
        blob.seek(read_file_meta(blob).dataset_offset)
        return association.store(
            blob,
            sop_class_uid=ref.sop_class_uid,
            sop_instance_uid=ref.sop_instance_uid,
            transfer_syntax_uid=ref.transfer_syntax_uid,
        )


def _is(answer: InstanceStored, kind: type[OriginError]) -> bool:
    return answer.failure is not None and answer.failure.kind == kind.__name__


def _failed(index: int, ref: BlobRef, error: IsthmusError) -> InstanceStored:
    """Write down that there was no answer, or only our own."""
    status = error.status if isinstance(error, OperationFailed) and error.status else PROCESSING_FAILURE
    return InstanceStored(index, ref.sop_class_uid, ref.sop_instance_uid, status, Failure.of(error))
