"""The associations with one origin, never more than it allows; the asyncio side of this package."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Final, TypeVar

from opentelemetry.trace import SpanKind

from isthmus.common.dimse.association import Association
from isthmus.common.dimse.contexts import Context
from isthmus.common.dimse.exchange import span_attributes
from isthmus.common.dimse.peer import Peer
from isthmus.common.errors import AssociationAborted, OriginError
from isthmus.common.telemetry import span
from isthmus.common.threads import Threads

IDLE_SECONDS: Final = 10.0
"""How long an association waits for its next use; origins and firewalls drop idle ones sooner or later."""

R = TypeVar("R")


class _Waiting:
    """An association that nobody uses."""

    timer: asyncio.TimerHandle
    """Ends it."""

    def __init__(self, association: Association) -> None:
        self.association = association


class AssociationPool:
    """Leases associations to tasks.

    An association goes back for the next use only if it is good; a lease that is cancelled while a thread is
    in the middle of an operation aborts the association, and ends once that thread is out.
    """

    def __init__(
        self, peer: Peer, associations: int, threads: Threads, *, idle_seconds: float = IDLE_SECONDS
    ) -> None:
        self.peer = peer
        self._limit = associations
        self._threads = threads
        self._idle_seconds = idle_seconds
        self._leases = asyncio.Semaphore(associations)
        self._waiting: list[_Waiting] = []
        self._open = 0  # connected or on the way there, in use or not
        self._endings: set[asyncio.Task[None]] = set()
        self._closed = False

    def lease(
        self, contexts: Sequence[Context], *, fresh: bool = False
    ) -> AbstractAsyncContextManager[Association]:
        """Lease an association for which these contexts were proposed; waits while all are in use.

        The lease is the span "DIMSE association".

        Args:
            contexts: what the operations need.
            fresh: whether to pass by those that wait for their next use.

        Raises:
            OriginError: there is none to be had; see `Association.open`.
        """
        return self._lease(tuple(contexts), fresh=fresh)

    async def run(self, contexts: Sequence[Context], operation: Callable[[Association], R]) -> R:
        """Do an operation on a leased association, in a thread.

        Where it fails on an association that was used before, and without any answer, the origin had dropped
        it silently: the operation is then done again, once, on a fresh one. It must do no harm twice.

        Raises:
            OriginError: from `Association.open` or the operation.
        """
        async with self.lease(contexts) as association:
            before = association.answered
            try:
                return await self._threads.run(operation, association)
            except AssociationAborted:
                if before == 0 or association.answered > before:
                    raise
        async with self.lease(contexts, fresh=True) as association:
            return await self._threads.run(operation, association)

    async def close(self) -> None:
        """End the associations that wait, and keep none any more; those in use end with their lease."""
        self._closed = True
        for waiting in tuple(self._waiting):
            self._retire(waiting)
        while self._endings:
            await asyncio.wait(self._endings)

    @asynccontextmanager
    async def _lease(self, contexts: tuple[Context, ...], *, fresh: bool) -> AsyncIterator[Association]:
        async with self._leases:
            with span("DIMSE association", span_attributes(self.peer), kind=SpanKind.CLIENT) as current:
                reused = None if fresh else self._reusable(contexts)
                current.set_attribute("dicom.association.reused", reused is not None)
                association = reused or await self._opened(contexts)
                try:
                    yield association
                except asyncio.CancelledError:
                    association.interrupt()  # a thread may be in an operation, or about to begin one
                    raise
                finally:
                    ending = self._give_back(association)
                    if ending is not None:
                        await asyncio.shield(ending)

    def _reusable(self, contexts: tuple[Context, ...]) -> Association | None:
        """Take the one that was used last, of those that suit and that the origin has not dropped."""
        for waiting in self._waiting[::-1]:
            if not waiting.association.alive:
                self._retire(waiting)
            elif waiting.association.proposed.issuperset(contexts):
                waiting.timer.cancel()
                self._waiting.remove(waiting)
                return waiting.association
        return None

    async def _opened(self, contexts: tuple[Context, ...]) -> Association:
        """Open one, after closing what waits for another use where there is no room."""
        while self._open >= self._limit:
            if self._waiting:
                self._retire(self._waiting[0])
            await asyncio.wait(self._endings, return_when=asyncio.FIRST_COMPLETED)
        self._open += 1
        opening = asyncio.create_task(self._threads.run(Association.open, self.peer, contexts))
        try:
            return await asyncio.shield(opening)
        except asyncio.CancelledError:
            self._start(self._abandon(opening))
            raise
        except OriginError:
            self._open -= 1
            raise

    def _give_back(self, association: Association) -> asyncio.Task[None] | None:
        if association.alive and association.idle and not self._closed:
            waiting = _Waiting(association)
            waiting.timer = asyncio.get_running_loop().call_later(self._idle_seconds, self._retire, waiting)
            self._waiting.append(waiting)
            return None
        return self._start(self._end(association))

    def _retire(self, waiting: _Waiting) -> None:
        waiting.timer.cancel()
        self._waiting.remove(waiting)
        self._start(self._end(waiting.association))

    def _start(self, ending: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(ending)
        self._endings.add(task)
        task.add_done_callback(self._endings.discard)
        return task

    async def _end(self, association: Association) -> None:
        """End an association; its place is free only then."""
        try:
            orderly = association.alive and association.idle
            await self._threads.run(association.release if orderly else association.abort)
        finally:
            self._open -= 1

    async def _abandon(self, opening: asyncio.Task[Association]) -> None:
        """End an association that is still being opened, for nobody waits for it any more."""
        try:
            association = await opening
        except OriginError:
            self._open -= 1
        else:
            await self._end(association)
