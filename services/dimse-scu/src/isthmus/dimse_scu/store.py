"""A store job: C-STORE of each of its instances, byte for byte as they are in S3 (PS3.4 Annex B)."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import aclosing, asynccontextmanager

import structlog

from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus, end_tasks, progress, subjects
from isthmus.common.bus.jobs import MAX_DELIVERIES, Running
from isthmus.common.config import DimseOrigin
from isthmus.common.dimse import AssociationPool, Operation, failure, for_store
from isthmus.common.errors import BlobMissing, IsthmusError, NotDelivered, StoreUnavailable
from isthmus.common.messages import BlobRef, InstanceStored, Store, StoreDone, decode, store_fact
from isthmus.common.threads import Threads
from isthmus.dimse_scu.outgoing import Numbered, Outgoing
from isthmus.dimse_scu.sending import SOP_CLASS_NOT_SUPPORTED, Sending, not_sent
from isthmus.dimse_scu.uids import can_be_proposed

log = structlog.get_logger()


class StoreWork:
    """Works on the store jobs of one origin."""

    def __init__(
        self, bus: Bus, blobs: BlobStore, pool: AssociationPool, threads: Threads, origin: DimseOrigin
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
            sending = _none(left, NotDelivered(detail, origin=store.origin))
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
        """Send what one association can take together, one group after the other."""
        possible = []
        for one in left:
            if can_be_proposed(one[1].sop_class_uid) and can_be_proposed(one[1].transfer_syntax_uid):
                possible.append(one)
            else:
                yield not_sent(*one, failure(SOP_CLASS_NOT_SUPPORTED, Operation.C_STORE, self._origin.name))
        async with Outgoing(self._blobs) as outgoing:
            for contexts in for_store((ref.sop_class_uid, ref.transfer_syntax_uid) for _, ref in possible):
                pairs = {(context.abstract_syntax, context.transfer_syntaxes[0]) for context in contexts}
                group = [
                    one for one in possible if (one[1].sop_class_uid, one[1].transfer_syntax_uid) in pairs
                ]
                sending = Sending(self._pool, self._threads, self._origin, contexts, group, outgoing)
                async with aclosing(sending.answers()) as answers:
                    async for answer in answers:
                        yield answer

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


async def _none(left: Iterable[Numbered], error: IsthmusError) -> AsyncGenerator[InstanceStored, None]:
    for index, ref in left:
        yield not_sent(index, ref, error)
