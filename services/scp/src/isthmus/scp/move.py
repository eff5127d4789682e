"""C-MOVE: the instances go to a destination of the settings, over associations with it (PS3.4 C.4.2)."""

import asyncio
from collections.abc import Iterator
from itertools import islice
from typing import Final, cast

from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom.dimse_primitives import C_MOVE

from isthmus.common.auth import Right
from isthmus.common.bus import end_tasks
from isthmus.common.dicom.statuses import MOVE_DESTINATION_UNKNOWN, SOP_CLASS_NOT_SUPPORTED
from isthmus.common.dimse import MAX_CONTEXTS, Association, Context
from isthmus.common.dimse.results import SubOperationOf
from isthmus.common.errors import (
    AssociationAborted,
    IsthmusError,
    NoAcceptedContext,
    OriginError,
    OriginTimeout,
)
from isthmus.common.messages import BlobRef
from isthmus.scp.asked import Asked, Response
from isthmus.scp.callers import Callers
from isthmus.scp.destinations import Destinations, Route
from isthmus.scp.normalized import Refused
from isthmus.scp.retrieving.identifier import read_wished
from isthmus.scp.retrieving.line import Waiting
from isthmus.scp.retrieving.outlet import Outlet, Outlets
from isthmus.scp.retrieving.source import Source
from isthmus.scp.retrieving.transfer import Transfer, serve

MANY: Final = 8
"""Instances after which further associations are worth it."""
TURN: Final = 24
"""Instances after which an association goes to whoever waits for one."""
LOST_AT_MOST: Final = 2
"""Associations in a row that break before anything was answered on them; then the destination is gone."""
FALLBACKS: Final = (ExplicitVRLittleEndian, ImplicitVRLittleEndian)
"""What everybody takes, and what instances are transcoded to for those who take nothing else."""

Pair = tuple[str, str]
"""SOP Class UID and Transfer Syntax UID."""


class Move:
    """Answers C-MOVE requests."""

    def __init__(
        self, callers: Callers, source: Source, destinations: Destinations, outlets: Outlets
    ) -> None:
        """Prepare."""
        self._callers = callers
        self._source = source
        self._destinations = destinations
        self._outlets = outlets

    def __call__(self, asked: Asked) -> Response:
        """Answer one, in the association's thread.

        Raises:
            Refused: A801 for a Move Destination that the settings do not have; the Identifier is none.
            IsthmusError: there was nothing to send, and why.
            AssociationOver: the client is gone.
        """
        if asked.model is None:
            raise Refused(SOP_CLASS_NOT_SUPPORTED, "No C-MOVE in this information model")
        request = cast("C_MOVE", asked.request)
        destination = request.MoveDestination
        if destination is None or destination not in self._destinations:
            raise Refused(MOVE_DESTINATION_UNKNOWN, "The Move Destination is not in the settings")
        wished = read_wished(asked.identifier(), asked.transfer_syntax_uid, asked.model)
        permits = self._callers.permits(asked.sender.principal, Right.RETRIEVE)
        transfer = Transfer(self._source, asked, wished, permits, waits_for_each=False)
        sub_operation = SubOperationOf(request.Priority, asked.sender.calling_ae_title, asked.message_id)
        outlet = Outlet(self._outlets, transfer.line, sub_operation)

        async def send(transfer: Transfer) -> None:
            await _Sending(self._destinations.route(destination), transfer, outlet).run()

        return serve(asked, transfer, send)


class _Sending:
    """The instances of one request, on their way to the destination."""

    def __init__(self, route: Route, transfer: Transfer, outlet: Outlet) -> None:
        self._route = route
        self._transfer = transfer
        self._outlet = outlet
        self._pairs: dict[Pair, None] = {}
        self._refused: dict[Pair, OriginError] = {}
        self._gone: OriginError | None = None
        self._lost = 0
        self._sent = 0
        self._helpers: set[asyncio.Task[None]] = set()
        self._connecting: set[asyncio.Task[None]] = set()
        """Helpers without an association."""
        self._is_through = False
        """Whether nothing is left to be taken from the line, but what helpers put back."""

    async def run(self) -> None:
        """Send all of them, and say what became of each."""
        try:
            while True:
                self._is_through = False
                await self._work()
                self._is_through = True
                await end_tasks(tuple(self._connecting))
                await asyncio.gather(*(one for one in self._helpers if not one.cancelled()))
                if self._transfer.is_given_up or not self._transfer.line.has_returned:
                    return
        finally:
            await end_tasks(self._helpers)

    def _have_help(self) -> None:
        while len(self._helpers) + 1 < self._route.associations:
            self._helpers.add(asyncio.create_task(self._help()))

    async def _help(self) -> None:
        """Send over a further association, as long as there is one.

        Nothing is taken from the line before: many destinations serve one association after the other, and
        let whoever asks for another wait until the first one has ended.
        """
        line, task = self._transfer.line, cast("asyncio.Task[None]", asyncio.current_task())
        is_fresh = False
        while not (self._is_through or self._transfer.is_given_up or self._gone):
            self._connecting.add(task)
            try:
                contexts = self._contexts()
                async with self._route.pool.lease(contexts, fresh=is_fresh, priority=1) as association:
                    self._connecting.discard(task)
                    waiting = await line.take()
                    if waiting is None:
                        return
                    following, is_fresh = await self._send_over(association, waiting)
            except OriginError:
                return
            finally:
                self._connecting.discard(task)
            if following is None:
                return
            self._note(following.blob)
            line.put_back(following)

    async def _work(self) -> None:
        """Send over one association after the other."""
        line = self._transfer.line
        waiting = await line.take()
        is_fresh = False
        while waiting is not None and not self._transfer.is_given_up:
            if self._gone is not None:
                line.drop(waiting)
                self._transfer.failed(waiting.blob.sop_instance_uid, self._gone)
                self._transfer.give_up(self._gone)
                return
            refusal = self._refused.get(_pair(waiting.blob))
            if refusal is not None:
                line.drop(waiting)
                self._transfer.failed(waiting.blob.sop_instance_uid, refusal)
                waiting, is_fresh = await line.take(), False
                continue
            self._note(waiting.blob)
            try:
                async with self._route.pool.lease(self._contexts(), fresh=is_fresh) as association:
                    following = await self._send_over(association, waiting)
            except NoAcceptedContext as error:
                self._refused[_pair(waiting.blob)] = error
            except OriginError as error:
                self._gone = error
            else:
                waiting, is_fresh = following
        if waiting is not None:
            line.put_back(waiting)  # given up: it is named with all that is not sent

    async def _send_over(self, association: Association, first: Waiting) -> tuple[Waiting | None, bool]:
        """Send one after the other while the association holds and was negotiated for them.

        Gives the next one that waits, and whether it needs a fresh association: where one that was used
        before breaks without an answer, the destination had dropped it silently.
        """
        line, transfer = self._transfer.line, self._transfer
        waiting: Waiting | None = first
        is_reused, sent = association.answered > 0, 0
        while waiting is not None and association.alive and sent < TURN and _suits(association, waiting.blob):
            uid, before = waiting.blob.sop_instance_uid, association.answered
            try:
                result = await self._outlet.send(association, waiting)
            except (AssociationAborted, OriginTimeout) as error:
                if is_reused and not sent and association.answered == before:
                    return waiting, True
                self._lost += 1
                if self._lost >= LOST_AT_MOST:
                    self._gone = error
                transfer.failed(uid, error)
            except IsthmusError as error:
                transfer.failed(uid, error)
            else:
                self._lost = 0
                transfer.answered(uid, result.status)
            sent += 1
            self._sent += 1
            if transfer.is_given_up:
                return None, False
            waiting = await line.take()
            if waiting is not None and self._sent >= MANY:
                self._have_help()
        return waiting, False

    def _note(self, blob: BlobRef) -> None:
        """Take note of what is to be sent next."""
        pair = _pair(blob)
        self._pairs.pop(pair, None)
        self._pairs[pair] = None

    def _contexts(self) -> tuple[Context, ...]:
        """Give what to propose: for what was noted last, and for all before it, as far as there is room."""
        return tuple(islice(dict.fromkeys(self._proposed()), MAX_CONTEXTS))

    def _proposed(self) -> Iterator[Context]:
        for sop_class_uid, transfer_syntax_uid in reversed(self._pairs):
            for name in (transfer_syntax_uid, *FALLBACKS):
                yield Context(sop_class_uid, (name,))


def _pair(blob: BlobRef) -> Pair:
    return blob.sop_class_uid, blob.transfer_syntax_uid


def _suits(association: Association, blob: BlobRef) -> bool:
    """Tell whether an association was negotiated for instances of this kind."""
    return Context(blob.sop_class_uid, (blob.transfer_syntax_uid,)) in association.proposed
