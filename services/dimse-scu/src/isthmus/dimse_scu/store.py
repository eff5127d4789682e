"""A store job: C-STORE of each of its instances, byte for byte as they are in S3 (PS3.4 Annex B)."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager

from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus, end_tasks
from isthmus.common.bus.jobs import Running
from isthmus.common.config import DimseOrigin
from isthmus.common.dicom.statuses import SOP_CLASS_NOT_SUPPORTED
from isthmus.common.dimse import AssociationPool, Operation, failure, for_store
from isthmus.common.messages import InstanceStored, Store
from isthmus.common.storing import Answer, Numbered, not_stored, work_off
from isthmus.common.threads import Threads
from isthmus.dimse_scu.outgoing import Outgoing
from isthmus.dimse_scu.sending import Sending
from isthmus.dimse_scu.uids import can_be_proposed


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
        """Send every instance, publish each answer, then the end.

        Raises:
            UnavailableError: NATS or S3 is away; the job is delivered again.
        """
        await work_off(self._bus, self._blobs, running, self._answer_all)

    async def _answer_all(self, left: Sequence[Numbered], answer: Answer) -> None:
        async with aclosing(self._send_all(left)) as results, _beside(answer) as publish:
            async for result in results:
                await publish(result)

    async def _send_all(self, left: Sequence[Numbered]) -> AsyncGenerator[InstanceStored, None]:
        """Send what one association can take together, one group after the other."""
        possible = []
        for one in left:
            if can_be_proposed(one[1].sop_class_uid) and can_be_proposed(one[1].transfer_syntax_uid):
                possible.append(one)
            else:
                yield not_stored(*one, failure(SOP_CLASS_NOT_SUPPORTED, Operation.C_STORE, self._origin.name))
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
async def _beside(answer: Answer) -> AsyncIterator[Answer]:
    """Publish each result while the next instance is sent; all are published when the block ends."""
    under_way: list[asyncio.Task[None]] = []

    async def publish(result: InstanceStored) -> None:
        before = under_way.pop() if under_way else None
        under_way.append(asyncio.create_task(answer(result)))
        if before is not None:
            await before

    try:
        yield publish
        for last in under_way:
            await last
    finally:
        await end_tasks(under_way)
