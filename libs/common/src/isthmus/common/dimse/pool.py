"""The associations of one process with one origin, each in a slot of those that the origin allows over all.

The asyncio side of this package. An association takes its slot before it is opened, and gives it back when
its connection is closed; while it waits for its next use it keeps it, until somebody asks for one.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Final, TypeVar

from opentelemetry.trace import SpanKind

from isthmus.common.breaker import Breaker
from isthmus.common.dimse.association import Association
from isthmus.common.dimse.contexts import Context
from isthmus.common.dimse.peer import Peer
from isthmus.common.dimse.spans import association_attributes
from isthmus.common.dimse.waiting import Slot, Slots, Waiter, WaitingList
from isthmus.common.errors import (
    AssociationAborted,
    AssociationRejected,
    CircuitOpen,
    OriginError,
    OriginTimeout,
    UnavailableError,
)
from isthmus.common.telemetry import get_logger, span
from isthmus.common.telemetry.attributes import DICOM_ASSOCIATION_REUSED, DICOM_ORIGIN
from isthmus.common.telemetry.instruments import (
    association_duration,
    associations,
    associations_waiting,
    slot_wait,
)
from isthmus.common.threads import Threads

IDLE_SECONDS: Final = 10.0
"""How long an association waits for its next use; origins and firewalls drop idle ones sooner or later."""

log = get_logger(__name__)

R = TypeVar("R")


class _Open:
    """An association, and the slot that it is in."""

    timer: asyncio.TimerHandle
    """Ends it, while nobody uses it."""

    def __init__(self, association: Association, slot: Slot) -> None:
        self.association = association
        self.slot = slot
        self.since = asyncio.get_running_loop().time()
        """When it was accepted, by the loop's clock."""


class AssociationPool:
    """Leases associations to tasks.

    An association goes back for the next use only if it is good; a lease that is cancelled while a thread is
    in the middle of an operation aborts the association, and ends once that thread is out. While the origin
    is away only some attempts to open one are let through; see `Breaker`.
    """

    def __init__(
        self, peer: Peer, slots: Slots, threads: Threads, *, idle_seconds: float = IDLE_SECONDS
    ) -> None:
        self.peer = peer
        self._slots = slots
        self._threads = threads
        self._idle_seconds = idle_seconds
        self._breaker = Breaker(peer.origin)
        self._labels = {DICOM_ORIGIN: peer.origin}
        self._idle: list[_Open] = []
        self._open = 0
        self._let_in: set[Context] = set()
        """What was proposed when it accepted an association."""
        self._waiting: WaitingList[_Open] = WaitingList()
        self._endings: set[asyncio.Task[None]] = set()
        self._closed = False
        associations.add(0, self._labels)
        associations_waiting.add(0, self._labels)
        slots.on_wanted(self._on_wanted)

    def lease(
        self, contexts: Sequence[Context], *, fresh: bool = False, priority: int = 0
    ) -> AbstractAsyncContextManager[Association]:
        """Lease an association for which these contexts were proposed; waits while there is no slot for it.

        The lease is the span "DIMSE association".

        Args:
            contexts: what the operations need.
            fresh: whether to pass by those that wait for their next use.
            priority: who goes first where several wait: 0 before 1.

        Raises:
            OriginError: there is none to be had; see `Association.open`, and `CircuitOpen`.
            BusUnavailable: nor a slot.
        """
        return self._lease(tuple(contexts), fresh=fresh, priority=priority)

    async def run(
        self, contexts: Sequence[Context], operation: Callable[[Association], R], *, priority: int = 0
    ) -> R:
        """Do an operation on a leased association, in a thread.

        Where an association that was used before breaks, or is silent for the time-out, and there was no
        answer on it, the origin had dropped it silently: the operation is then done again, once, on a fresh
        one. It must do no harm twice.

        Raises:
            OriginError: from `Association.open` or the operation, or `CircuitOpen`.
            BusUnavailable: no slot is to be had.
        """
        async with self.lease(contexts, priority=priority) as association:
            before = association.answered
            try:
                return await self._threads.run(operation, association)
            except (AssociationAborted, OriginTimeout):
                if before == 0 or association.answered > before:
                    raise
        async with self.lease(contexts, fresh=True, priority=priority) as association:
            return await self._threads.run(operation, association)

    async def close(self) -> None:
        """End the associations that wait, and keep none any more; those in use end with their lease."""
        self._closed = True
        for one in tuple(self._idle):
            self._retire(one)
        while self._endings:
            await asyncio.wait(self._endings)

    @asynccontextmanager
    async def _lease(
        self, contexts: tuple[Context, ...], *, fresh: bool, priority: int
    ) -> AsyncIterator[Association]:
        reusable = None if fresh else self._reusable(contexts)
        granted = reusable or await self._granted(Waiter(contexts, fresh=fresh, priority=priority))
        with span("DIMSE association", association_attributes(self.peer), kind=SpanKind.CLIENT) as current:
            current.set_attribute(DICOM_ASSOCIATION_REUSED, isinstance(granted, _Open))
            one = granted if isinstance(granted, _Open) else await self._opened(contexts, granted)
            try:
                yield one.association
            except asyncio.CancelledError:
                one.association.interrupt()  # a thread may be in an operation, or about to begin one
                raise
            finally:
                ending = self._give_back(one)
                if ending is not None:
                    await asyncio.shield(ending)

    def _reusable(self, contexts: tuple[Context, ...]) -> _Open | None:
        """Take the one that was used last, of those that suit and that the origin has not dropped."""
        for one in self._idle[::-1]:
            if not one.association.alive:
                self._retire(one)
            elif one.association.proposed.issuperset(contexts):
                one.timer.cancel()
                self._idle.remove(one)
                return one
        return None

    async def _granted(self, waiter: Waiter[_Open]) -> _Open | Slot:
        """Wait for a slot, or for an association of ours that becomes free before there is one."""
        on_trial = self._breaker.admit()
        began = asyncio.get_running_loop().time()
        taking = asyncio.create_task(self._slots.take(waiter.priority))
        either: tuple[asyncio.Future[Slot] | asyncio.Future[_Open], ...] = (taking, waiter.given)
        associations_waiting.add(1, self._labels)
        try:
            with self._waiting.queued(waiter):
                await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            if waiter.given.done():
                self._give_back(waiter.given.result())
            self._renounce(taking)
            raise
        finally:
            associations_waiting.add(-1, self._labels)
        slot_wait.record(asyncio.get_running_loop().time() - began, self._labels)
        if waiter.given.done():
            self._renounce(taking)
            return waiter.given.result()
        slot = taking.result()
        try:
            if not on_trial:  # the circuit may have opened meanwhile
                self._breaker.admit()
        except CircuitOpen:
            await slot.release()
            raise
        return slot

    def _renounce(self, taking: asyncio.Task[Slot]) -> None:
        taking.cancel()
        self._start(_release_taken(taking))

    async def _opened(self, contexts: tuple[Context, ...], slot: Slot) -> _Open:
        opening = asyncio.create_task(self._connect(contexts, slot))
        try:
            return await asyncio.shield(opening)
        except asyncio.CancelledError:
            self._start(self._keep_opening(opening))
            raise

    async def _connect(self, contexts: tuple[Context, ...], slot: Slot) -> _Open:
        try:
            association = await self._admitted(contexts)
        except BaseException as error:
            if isinstance(error, OriginError) and not self._is_there(error, contexts):
                self._breaker.failed(error)
            await slot.release()
            raise
        self._breaker.succeeded()
        self._let_in.update(contexts)
        self._open += 1
        associations.add(1, self._labels)
        one = _Open(association, slot)
        slot.lost.add_done_callback(lambda _: self._on_lost(one))
        return one

    def _is_there(self, error: OriginError, contexts: Sequence[Context]) -> bool:
        """Tell whether an origin that gives no association is not away.

        With another one open, it allows no more of them; where it has let us in with other proposals, and
        never with any of these, it does none of that: a worklist, say, which is searched for studies.
        """
        if not isinstance(error, AssociationRejected):
            return False
        return bool(self._open) or (bool(self._let_in) and self._let_in.isdisjoint(contexts))

    async def _admitted(self, contexts: tuple[Context, ...]) -> Association:
        """Open one; while the origin rejects it, in the place of one that nobody uses."""
        while True:
            try:
                return await self._threads.run(Association.open, self.peer, contexts)
            except AssociationRejected:
                if not self._idle:
                    raise
                log.info("associations allowed are fewer than set", origin=self.peer.origin, open=self._open)
                await asyncio.shield(self._retire(self._idle[0]))

    def _on_lost(self, one: _Open) -> None:
        """Abort an association whose slot may be somebody else's now."""
        one.association.interrupt()
        if one in self._idle:
            self._retire(one)

    def _on_wanted(self, elsewhere: str | None, priority: int) -> None:
        """Give up what nobody uses, to whoever waits; one now, or else the next that becomes free.

        Our own tasks get what they can share in `_give_back`; here only what they cannot is given up.
        """
        if self._idle and (elsewhere is not None or self._waiting.unserved):
            self._retire(self._idle[0])
        elif elsewhere is not None:
            self._waiting.add_elsewhere(elsewhere, priority)

    def _give_back(self, one: _Open) -> asyncio.Task[None] | None:
        """Pass an association on, or keep it for later, or give the task that ends it.

        Where a task of another process is before ours it ends: its slot goes to who is first over all.
        """
        association = one.association
        good = association.alive and association.idle and not self._closed and not one.slot.lost.done()
        if not good or self._waiting.yields():
            return self._leave(one)
        taker = self._waiting.taker(association.proposed)
        if taker is not None:
            taker.given.set_result(one)
            return None
        if self._waiting.unserved:
            return self._leave(one)
        one.timer = asyncio.get_running_loop().call_later(self._idle_seconds, self._retire, one)
        self._idle.append(one)
        return None

    def _retire(self, one: _Open) -> asyncio.Task[None]:
        one.timer.cancel()
        self._idle.remove(one)
        return self._leave(one)

    def _leave(self, one: _Open) -> asyncio.Task[None]:
        self._waiting.leaving += 1
        return self._start(self._end(one))

    def _start(self, ending: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(ending)
        self._endings.add(task)
        task.add_done_callback(self._endings.discard)
        return task

    async def _end(self, one: _Open) -> None:
        """End an association; its slot is free only then."""
        association = one.association
        try:
            orderly = association.alive and association.idle
            await self._threads.run(association.release if orderly else association.abort)
        finally:
            self._open -= 1
            associations.add(-1, self._labels)
            association_duration.record(asyncio.get_running_loop().time() - one.since, self._labels)
            await one.slot.release()
            self._waiting.leaving -= 1

    async def _keep_opening(self, opening: asyncio.Task[_Open]) -> None:
        """Keep an association that is still being opened, though nobody waits for it, for its next use."""
        try:
            one = await opening
        except OriginError:
            return
        ending = self._give_back(one)
        if ending is not None:
            await ending


async def _release_taken(taking: asyncio.Task[Slot]) -> None:
    """Give back the slot that came for somebody who needs it no more."""
    try:
        slot = await taking
    except (asyncio.CancelledError, UnavailableError):
        return
    await slot.release()
