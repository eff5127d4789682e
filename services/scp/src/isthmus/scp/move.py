"""C-MOVE: the instances go to a destination of the settings, over associations with it (PS3.4 C.4.2)."""

import asyncio
from collections.abc import Iterator
from itertools import islice
from typing import Final, cast

from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom.dimse_primitives import C_MOVE

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

    def __init__(self, source: Source, destinations: Destinations, outlets: Outlets) -> None:
        """Prepare."""
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
        destination = (request.MoveDestination or "").strip("\0 ")
        if destination not in self._destinations:
            raise Refused(MOVE_DESTINATION_UNKNOWN, "The Move Destination is not in the settings")
        wished = read_wished(asked.identifier(), asked.transfer_syntax_uid, asked.model)
        transfer = Transfer(self._source, asked, wished, waits_for_each=False)
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

    async def run(self) -> None:
        """Send all of them, and say what became of each."""
        try:
            while True:
                await self._work(0)
                await asyncio.gather(*self._helpers)
                if not self._transfer.line.has_returned:
                    return
        finally:
            await end_tasks(self._helpers)

    def _help(self) -> None:
        while len(self._helpers) + 1 < self._route.associations:
            self._helpers.add(asyncio.create_task(self._work(1)))

    async def _work(self, priority: int) -> None:
        """Send over one association after the other; a helper (priority 1) leaves where it gets none."""
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
            contexts = self._contexts(waiting.blob)
            try:
                async with self._route.pool.lease(contexts, fresh=is_fresh, priority=priority) as association:
                    following = await self._send_over(association, waiting)
            except NoAcceptedContext as error:
                self._refused[_pair(waiting.blob)] = error
            except OriginError as error:
                if priority:
                    line.put_back(waiting)
                    return
                self._gone = error
            else:
                waiting, is_fresh = following

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
            if self._sent == MANY:
                self._help()
            if transfer.is_given_up:
                return None, False
            waiting = await line.take()
        return waiting, False

    def _contexts(self, blob: BlobRef) -> tuple[Context, ...]:
        """Give what to propose: for the instance, and for those before it, as far as there is room."""
        pair = _pair(blob)
        self._pairs.pop(pair, None)
        self._pairs[pair] = None
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
