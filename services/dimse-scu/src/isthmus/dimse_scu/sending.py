"""C-STORE of instances that one association can take (PS3.4 Annex B), over two where they are many.

An origin takes its time for each instance, and answers it before the next one comes: two associations keep
both of us busy. The second one is only a help: it goes behind everybody who waits for one, and comes back
after some instances; and it leaves one for searches where the origin allows no more than two.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import suppress
from itertools import islice
from typing import BinaryIO, Final

from isthmus.common.bus import end_tasks
from isthmus.common.config import DimseOrigin
from isthmus.common.dicom.part10 import read_file_meta
from isthmus.common.dicom.statuses import SOP_CLASS_NOT_SUPPORTED, TRANSFER_SYNTAX_NOT_SUPPORTED
from isthmus.common.dimse import (
    Association,
    AssociationPool,
    Category,
    Context,
    Operation,
    StoreResult,
    category,
    failure,
)
from isthmus.common.errors import (
    AssociationAborted,
    BusUnavailable,
    IsthmusError,
    NoAcceptedContext,
    NotTried,
    OriginError,
    OriginTimeout,
)
from isthmus.common.messages import BlobRef, Failure, InstanceStored
from isthmus.common.storing import Numbered, not_stored
from isthmus.common.threads import Threads
from isthmus.dimse_scu.outgoing import AHEAD_AT_ONCE, Outgoing

SILENCES_AT_MOST: Final = 2
"""Instances in a row that an origin is silent about, after which the rest is not sent."""
MANY: Final = 24
"""Instances that are worth a second association."""
TURN: Final = 24
"""Instances after which the second association goes to whoever waits for one."""


class Sending:
    """Some instances of a job, on their way."""

    def __init__(
        self,
        pool: AssociationPool,
        threads: Threads,
        origin: DimseOrigin,
        contexts: Sequence[Context],
        instances: Iterable[Numbered],
        outgoing: Outgoing,
    ) -> None:
        self._pool = pool
        self._threads = threads
        self._origin = origin
        self._contexts = contexts
        self._left = deque(instances)
        self._outgoing = outgoing
        self._answers: asyncio.Queue[InstanceStored | None] = asyncio.Queue()
        self._silences = 0
        self._begun = asyncio.Event()
        """Set when the first association is open."""
        self._is_helped = False
        """Whether the second association is open."""

    async def answers(self) -> AsyncGenerator[InstanceStored, None]:
        """Send all of them, and give what became of each, in any order; nothing is sent ahead of the reader.

        Raises:
            BusUnavailable: there was no slot to be had.
        """
        sending = asyncio.create_task(self._send())
        sending.add_done_callback(lambda _: self._answers.put_nowait(None))
        try:
            while (answer := await self._answers.get()) is not None:
                yield answer
                self._answers.task_done()
            await sending
        finally:
            await end_tasks([sending])

    async def _send(self) -> None:
        if len(self._left) < MANY or self._origin.associations <= 2:
            failed = await self._send_first()
        else:
            helping = asyncio.create_task(self._help())
            try:
                failed = await self._send_first()
                # If it only waits for an association, nobody needs that any more.
                if self._is_helped or helping.done():
                    await helping
            finally:
                await end_tasks([helping])
        if failed is not None:
            for index, ref in self._left:
                self._answers.put_nowait(not_stored(index, ref, _of_instance(failed, ref)))

    async def _send_first(self) -> OriginError | None:
        """Send over one association after another: after one that broke, the next instance gets a new one.

        Gives why there is none, or no answer: it is no use to try with each of the rest then.
        """
        try:
            while self._left:
                async with self._pool.lease(self._contexts) as association:
                    self._begun.set()
                    await self._send_over(association)
                self._give_up_if_silent()
        except OriginError as error:
            return error
        return None

    async def _help(self) -> None:
        """Send over a second association while there is one; what fails here is left to the first.

        It is asked for when the first is there: an origin that allows one would refuse the first otherwise.
        """
        await self._begun.wait()
        with suppress(OriginError, BusUnavailable):
            while self._left:
                async with self._pool.lease(self._contexts, priority=1) as association:
                    self._is_helped = True
                    try:
                        await self._send_over(association, TURN)
                    finally:
                        self._is_helped = False
                self._give_up_if_silent()

    def _give_up_if_silent(self) -> None:
        if self._silences >= SILENCES_AT_MOST:
            raise NotTried("The origin stays silent", origin=self._origin.name)

    async def _send_over(self, association: Association, most: int | None = None) -> None:
        """Send one after the other while the association holds."""
        reused = association.answered > 0
        sent = 0
        while self._left and association.alive and sent != most:
            one = self._left.popleft()
            answered = association.answered
            answer = await self._answer(association, one)
            if reused and association.answered == answered and _is(answer, AssociationAborted):
                # The origin had dropped it silently, while it waited for its next use.
                self._left.appendleft(one)
                return
            sent += 1
            self._silences = self._silences + 1 if _is(answer, OriginTimeout) else 0
            self._answers.put_nowait(answer)
            await self._answers.join()

    async def _answer(self, association: Association, one: Numbered) -> InstanceStored:
        index, ref = one
        try:
            blob = await self._outgoing.open([one, *islice(self._left, AHEAD_AT_ONCE - 1)])
            result = await self._threads.run(_store, association, ref, blob)
        except IsthmusError as error:  # of the origin, of S3, or the blob is no DICOM file
            return not_stored(index, ref, error)
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


def _of_instance(error: OriginError, ref: BlobRef) -> OriginError:
    """Give why an instance could not be sent, where there is no association for any of them."""
    if not isinstance(error, NoAcceptedContext):
        return error
    is_refused = (ref.sop_class_uid, ref.transfer_syntax_uid) in error.refused_syntaxes
    status = TRANSFER_SYNTAX_NOT_SUPPORTED if is_refused else SOP_CLASS_NOT_SUPPORTED
    return failure(status, Operation.C_STORE, error.origin)


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
