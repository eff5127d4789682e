"""The result of a request for storage commitment, on its way to whoever asked (PS3.4 J.3.3).

On the association of the request as long as that is open, wherever in the cluster it is; else on a new one,
on which we propose to be the provider (PS3.7 D.3.3.4).
"""

import asyncio
import itertools
import time
import zlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from io import BytesIO
from typing import Final
from uuid import uuid4
from weakref import WeakKeyDictionary, WeakValueDictionary

from pydicom.dataset import Dataset
from pydicom.uid import UID
from pynetdicom import evt
from pynetdicom.association import Association as Negotiated
from pynetdicom.dimse_primitives import N_EVENT_REPORT

from isthmus.common.auth import Right
from isthmus.common.bus import Bus, subjects
from isthmus.common.bus.granted import Guarded
from isthmus.common.dimse import Association, Context, Peer
from isthmus.common.dimse.contexts import VERIFICATION
from isthmus.common.dimse.identifiers import encode_identifier
from isthmus.common.dimse.in_turn import send_in_turn
from isthmus.common.errors import NoWorker
from isthmus.common.telemetry import get_logger
from isthmus.scp.commitment.requests import (
    STORAGE_COMMITMENT,
    STORAGE_COMMITMENT_INSTANCE,
    CommitmentRequest,
    Reference,
)

ALL_COMMITTED: Final = 1
"""Event Type ID: Storage Commitment Request Successful (PS3.4 J.3.3.1)."""
FAILURES_EXIST: Final = 2
"""Event Type ID: Storage Commitment Request Complete - Failures Exist."""
REPLY_SECONDS: Final = 10.0
"""For the answer on the association of the request: some modalities never give one there."""
QUIET_SECONDS: Final = 0.5
"""Without a request of the caller's, before a result is reported on its association: who waits for the
response to an image, and gets a request instead, may break off (DCMTK does)."""
LOOK_SECONDS: Final = 0.05
_REQUEST_SECONDS: Final = 2 * REPLY_SECONDS + 2
CONTEXT: Final = Context(STORAGE_COMMITMENT, VERIFICATION.transfer_syntaxes, as_scp=True)
"""What we propose when it is we who call."""
_N_EVENT_REPORT_RSP: Final = 0x8100
"""Command Field (PS3.7 E.1)."""
_IS_RESPONSE: Final = 0x8000
"""The bit of the Command Field that responses have."""

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ReportResult:
    """What the process that holds the association is asked to report on it."""

    association: str
    context_id: int
    event_type: int
    information: bytes
    """Event Information in the transfer syntax of the context, compressed: a request can be long."""
    origin: str = ""
    """Which commits to what it names; empty, of an earlier version: nobody vouches for that."""


@dataclass(frozen=True, slots=True)
class ResultReported:
    """What became of it."""

    status: int | None
    """Of the N-EVENT-REPORT-RSP; None where the association is gone, or nobody answered."""


def _guarded(result: ReportResult) -> Guarded:
    """Who believes a result may delete what it names: none is reported but for who has found it out."""
    return Guarded(result.origin, Right.STORE, lambda _: ResultReported(None))


def event_information(request: CommitmentRequest, failures: Mapping[Reference, int]) -> tuple[int, Dataset]:
    """Give the Event Type ID and the Event Information (PS3.4 Table J.3-2)."""
    data = Dataset()
    data.TransactionUID = request.transaction_uid
    stored = [_item(reference) for reference in request.references if reference not in failures]
    if stored:
        data.ReferencedSOPSequence = stored
    if not failures:
        return ALL_COMMITTED, data
    data.FailedSOPSequence = [_item(reference, reason) for reference, reason in failures.items()]
    return FAILURES_EXIST, data


def _item(reference: Reference, failure_reason: int | None = None) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = reference
    if failure_reason is not None:
        item.FailureReason = failure_reason
    return item


async def report_there(bus: Bus, request: CommitmentRequest, event_type: int, data: Dataset) -> int | None:
    """Report on the association of the request; None if it is not open, or nobody answers on it.

    Raises:
        BusUnavailable: NATS does not say whether it was reported.
    """
    encoded = await asyncio.to_thread(encode_identifier, data, request.transfer_syntax_uid)
    message = ReportResult(
        request.association, request.context_id, event_type, zlib.compress(encoded.getvalue()), request.inbox
    )
    subject = subjects.committed(request.process)
    try:
        reported = await bus.request(
            subject, message, ResultReported, timeout=_REQUEST_SECONDS, guarded=_guarded(message)
        )
    except NoWorker:  # that process is no more, and its associations with it
        return None
    return reported.status


def report_anew(peer: Peer, event_type: int, data: Dataset, opened: set[Association]) -> int:
    """Report on a new association, and give the status of the answer; blocks.

    Args:
        peer: the caller.
        event_type: Event Type ID.
        data: Event Information.
        opened: holds the association for as long as it is open, for who wants to interrupt it.

    Raises:
        OriginError: there is no association, or no answer on it.
    """
    association = Association.open(peer, (CONTEXT,))
    opened.add(association)
    try:
        return association.report_event(STORAGE_COMMITMENT, STORAGE_COMMITMENT_INSTANCE, event_type, data)
    finally:
        opened.discard(association)
        association.release()


def _report(message_id: int, result: ReportResult) -> N_EVENT_REPORT:
    request = N_EVENT_REPORT()
    request.MessageID = message_id
    request.AffectedSOPClassUID = UID(STORAGE_COMMITMENT)
    request.AffectedSOPInstanceUID = UID(STORAGE_COMMITMENT_INSTANCE)
    request.EventTypeID = result.event_type
    request.EventInformation = BytesIO(zlib.decompress(result.information))
    return request


async def _is_quiet(association: Negotiated, there: "_Open") -> bool:
    """Wait until the caller asks for nothing more; False if it goes on, or the association ends."""
    until = time.monotonic() + REPLY_SECONDS
    while association.is_established and time.monotonic() < until:
        answered, dimse = there.answered, association.dimse
        in_between = answered is not None and dimse.message is None and dimse.msg_queue.empty()
        if in_between and answered is not None and time.monotonic() - answered >= QUIET_SECONDS:
            return True
        await asyncio.sleep(LOOK_SECONDS)
    return False


@dataclass
class _Open:
    """An association on which a request came."""

    name: str
    waiting: dict[int, asyncio.Future[int | None]] = field(default_factory=dict)
    """Who waits for an answer, by the Message ID of the report."""
    message_ids: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))
    one_at_a_time: asyncio.Lock = field(default_factory=asyncio.Lock)
    answered: float | None = None
    """When the last request was answered, by the monotonic clock; None while one is not."""
    is_mute: bool = False
    """Whether it did not answer a report: the others need not wait for that."""


class OpenAssociations:
    """The associations of this process on which results can be reported."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.process: Final = uuid4().hex
        """How other processes know this one."""
        self._loop = loop
        self._by_association: WeakKeyDictionary[Negotiated, _Open] = WeakKeyDictionary()
        self._by_name: WeakValueDictionary[str, Negotiated] = WeakValueDictionary()

    def name(self, association: Negotiated) -> str:
        """Give the name by which results find an association."""
        there = self._by_association.get(association)
        if there is None:
            there = self._by_association.setdefault(association, _Open(uuid4().hex))
            self._by_name[there.name] = association
        return there.name

    @asynccontextmanager
    async def serving(self, bus: Bus) -> AsyncIterator[None]:
        """Report what other processes have found out."""
        subject = subjects.committed(self.process)
        serving = await bus.serve(subject, "scp", self._report, ReportResult, guarded=_guarded)
        try:
            yield
        finally:
            await serving.unsubscribe()

    async def _report(self, result: ReportResult) -> ResultReported:
        association = self._by_name.get(result.association)
        there = self._by_association.get(association) if association is not None else None
        if association is None or there is None or not association.is_established:
            return ResultReported(None)
        async with there.one_at_a_time:
            if there.is_mute or not await _is_quiet(association, there):
                return ResultReported(None)
            return ResultReported(await self._report_on(association, there, result))

    async def _report_on(self, association: Negotiated, there: _Open, result: ReportResult) -> int | None:
        message_id = next(there.message_ids) % 0x10000
        answered: asyncio.Future[int | None] = self._loop.create_future()
        there.waiting[message_id] = answered
        send_in_turn(association, _report(message_id, result), result.context_id)
        try:
            async with asyncio.timeout(REPLY_SECONDS):
                return await answered
        except TimeoutError:
            log.info("no answer on the association of the request")
            there.is_mute = True
            return None
        finally:
            del there.waiting[message_id]

    def received(self, event: evt.Event) -> None:
        """Look whether a message is a request, or the answer to a report; in the association's threads."""
        there = self._by_association.get(event.assoc)
        if there is None:
            return
        command = event.message.command_set
        if not command.get("CommandField", 0) & _IS_RESPONSE:
            there.answered = None
        if command.get("CommandField") == _N_EVENT_REPORT_RSP:
            message_id, status = command.get("MessageIDBeingRespondedTo"), command.get("Status")
            if isinstance(message_id, int) and isinstance(status, int):
                self._answer(there, message_id, status)

    def sent(self, event: evt.Event) -> None:
        """Look whether a message answers a request; in the association's threads."""
        there = self._by_association.get(event.assoc)
        if there is not None and event.message.command_set.get("CommandField", 0) & _IS_RESPONSE:
            there.answered = time.monotonic()

    def closed(self, event: evt.Event) -> None:
        """Wait no longer on an association that has ended; in its threads."""
        there = self._by_association.pop(event.assoc, None)
        if there is not None:
            for message_id in list(there.waiting):
                self._answer(there, message_id, None)

    def _answer(self, there: _Open, message_id: int, status: int | None) -> None:
        def answer() -> None:
            waiting = there.waiting.get(message_id)
            if waiting is not None and not waiting.done():
                waiting.set_result(status)

        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(answer)
