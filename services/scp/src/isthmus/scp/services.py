"""The services beside storage: queries and retrievals, commitment, procedure steps, instance availability.

What `worker` needs of them: the presentation contexts, the handlers, and what runs beside them.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from io import BytesIO
from typing import TYPE_CHECKING, Final, TypeVar, cast

from pydicom.dataset import Dataset
from pynetdicom import evt
from pynetdicom.ae import ApplicationEntity
from pynetdicom.association import Association
from pynetdicom.dimse_primitives import C_ECHO, N_ACTION, N_CREATE, N_EVENT_REPORT, N_SET

from isthmus.common.access.studies import Studies
from isthmus.common.auth import Right
from isthmus.common.config import Inbox, Origin
from isthmus.common.dicom.statuses import (
    INVALID_ATTRIBUTE_VALUE,
    INVALID_SOP_INSTANCE,
    NO_SUCH_SOP_CLASS,
    NOT_AUTHORIZED,
    PROCESSING_FAILURE,
)
from isthmus.common.dicom.uids import check_uid
from isthmus.common.dimse import VERIFICATION, Operation
from isthmus.common.errors import InvalidParameter
from isthmus.common.service import Parts
from isthmus.common.threads import Threads
from isthmus.scp.auditing import Auditing
from isthmus.scp.callers import Address, Callers
from isthmus.scp.commitment.committer import Committer
from isthmus.scp.commitment.report import OpenAssociations
from isthmus.scp.commitment.requests import STORAGE_COMMITMENT, CommitmentRequest, keep, read_request
from isthmus.scp.commitment.seeing import Seeing
from isthmus.scp.everything import AllOrigins
from isthmus.scp.find import Finder
from isthmus.scp.finding.everywhere import Searcher
from isthmus.scp.normalized import Admit, Handled, Refused, Requester, handle, read_data_set
from isthmus.scp.provider import SERVED as QUERIES_AND_RETRIEVALS
from isthmus.scp.provider import Provider, Serve
from isthmus.scp.reports.reading import Named, read_change, read_new_step, read_notification
from isthmus.scp.reports.reports import INSTANCE_AVAILABILITY, PERFORMED_PROCEDURE_STEP, Reports, new_uid
from isthmus.scp.retrieving.serving import retrieving
from isthmus.scp.sender import IsAllowed, Sender, SenderOf

if TYPE_CHECKING:
    from pynetdicom.events import EventHandlerType

SOP_CLASSES: Final = (STORAGE_COMMITMENT, PERFORMED_PROCEDURE_STEP, INSTANCE_AVAILABILITY)
SERVED: Final = {
    VERIFICATION.abstract_syntax: (C_ECHO,),
    STORAGE_COMMITMENT: (N_ACTION, N_EVENT_REPORT),  # pynetdicom answers the latter
    PERFORMED_PROCEDURE_STEP: (N_CREATE, N_SET),
    INSTANCE_AVAILABILITY: (N_CREATE,),
    **QUERIES_AND_RETRIEVALS,
}
"""The operations, by SOP class, beside C-STORE."""
ASSOCIATION_THREADS: Final = 4
"""For results of storage commitment on associations of ours."""

N = TypeVar("N")


def accept_services(entity: ApplicationEntity) -> None:
    """Accept their presentation contexts."""
    for sop_class_uid in SOP_CLASSES:
        entity.add_supported_context(sop_class_uid, list(VERIFICATION.transfer_syntaxes))


class Services:
    """All of them, for the associations of one process."""

    def __init__(
        self, parts: Parts, callers: Callers, auditing: Auditing, loop: asyncio.AbstractEventLoop
    ) -> None:
        self._parts = parts
        self._bus = parts.bus
        self._callers = callers
        self._loop = loop
        self._origins = {origin.name: origin for origin in parts.settings.origins}
        self._open = OpenAssociations(loop)
        self._reports = Reports(parts.bus)
        self._auditing = auditing
        self._studies, most_asked = Studies.of(parts.bus, parts.settings), parts.settings.search.max_parents
        self._retrieval: dict[Operation, Serve] = {
            Operation.C_FIND: self._auditing.query(
                Finder(
                    parts.bus,
                    callers,
                    Searcher(parts.bus, parts.settings.origins, self._studies, most_asked),
                    most_asked,
                )
            )
        }
        self._threads = Threads("commitment", ASSOCIATION_THREADS)
        self._committer = Committer(
            parts.bus,
            parts.blobs,
            self._origins.values(),
            self._address_of,
            Seeing(callers, self._studies),
            self._threads,
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Report the results of storage commitment for as long as this is entered."""
        try:
            async with (
                self._open.serving(self._bus),
                self._committer.working(),
                retrieving(self._parts, self._callers, self._studies) as answering,
            ):
                self._retrieval.update(
                    {operation: self._auditing.retrieval(serve) for operation, serve in answering.items()}
                )
                yield
        finally:
            self._threads.close()

    def handlers(self, sender_of: SenderOf, is_allowed: IsAllowed) -> "list[EventHandlerType]":
        """Give what pynetdicom is to call."""

        def admission(name: str, origin_of: Callable[[Sender], Origin]) -> Admit:
            return partial(_admit, sender_of, is_allowed, name, origin_of)

        return [
            (evt.EVT_N_ACTION, self._commit, [admission("N-ACTION", self._committing)]),
            (evt.EVT_N_CREATE, self._create, [admission("N-CREATE", _inbox)]),
            (evt.EVT_N_SET, self._change, [admission("N-SET", _inbox)]),
            (evt.EVT_DIMSE_RECV, self._open.received),
            (evt.EVT_DIMSE_SENT, self._open.sent),
            (evt.EVT_CONN_CLOSE, self._open.closed),
            *Provider(self._retrieval, sender_of, is_allowed, self._loop).handlers(),
        ]

    def _commit(self, event: evt.Event, admit: Admit) -> Handled:
        request, syntax = cast("N_ACTION", event.request), str(event.context.transfer_syntax)

        async def service(requester: Requester) -> None:
            asked = await asyncio.to_thread(read_request, request, syntax)
            count = len(asked.references)
            await self._auditing.told(requester, "N-ACTION", report=asked.transaction_uid, instances=count)
            await keep(
                self._bus,
                CommitmentRequest(
                    inbox=requester.origin.name,
                    transaction_uid=asked.transaction_uid,
                    references=asked.references,
                    calling_ae_title=requester.calling.calling_ae_title,
                    address=requester.calling.address,
                    asked=time.time(),
                    process=self._open.process,
                    association=self._open.name(requester.association),
                    context_id=event.context.context_id,
                    transfer_syntax_uid=syntax,
                    called_ae_title=requester.calling.called_ae_title,
                    principal=requester.principal,
                ),
            )

        return handle(event, "N-ACTION", admit, service, self._loop)

    def _create(self, event: evt.Event, admit: Admit) -> Handled:
        request, syntax = cast("N_CREATE", event.request), str(event.context.transfer_syntax)

        async def service(requester: Requester) -> Dataset | None:
            given = request.AffectedSOPInstanceUID
            report = _checked(str(given)) if given else new_uid()
            sop_class_uid, attributes = request.AffectedSOPClassUID, request.AttributeList
            if sop_class_uid == PERFORMED_PROCEDURE_STEP:
                step = await _read(read_new_step, attributes, syntax)
                await self._told_of(requester, report, step)
                await self._reports.begin(requester.origin.name, report, step)
            elif sop_class_uid == INSTANCE_AVAILABILITY:
                notification = await _read(read_notification, attributes, syntax)
                await self._told_of(requester, report, notification)
                await self._reports.notify(requester.origin.name, report, notification)
            else:
                raise Refused(NO_SUCH_SOP_CLASS, "This SOP class takes no N-CREATE here")
            if given:
                return None
            answer = Dataset()  # from which pynetdicom takes it into the response
            answer.AffectedSOPInstanceUID = report
            return answer

        return handle(event, "N-CREATE", admit, service, self._loop)

    def _change(self, event: evt.Event, admit: Admit) -> Handled:
        request, syntax = cast("N_SET", event.request), str(event.context.transfer_syntax)

        async def service(requester: Requester) -> None:
            if request.RequestedSOPClassUID != PERFORMED_PROCEDURE_STEP:
                raise Refused(NO_SUCH_SOP_CLASS, "This SOP class takes no N-SET here")
            report = _checked(str(request.RequestedSOPInstanceUID or ""))
            change = await _read(read_change, request.ModificationList, syntax)
            count = None if change.instances is None else len(change.instances)
            await self._auditing.told(requester, "N-SET", report=report, instances=count)
            await self._reports.change(requester.origin.name, report, change)

        return handle(event, "N-SET", admit, service, self._loop)

    async def _told_of(self, requester: Requester, report: str, named: Named) -> None:
        await self._auditing.told(
            requester,
            "N-CREATE",
            studies=named.studies,
            patient=named.patient_id,
            report=report,
            instances=len(named.instances),
        )

    def _address_of(self, request: CommitmentRequest) -> Address | None:
        return next(self._callers.addresses_of(request.calling_ae_title), None)

    def _committing(self, sender: Sender) -> Origin:
        """Give the origin that is to commit to what it holds: of all of them, who takes what is stored."""
        if sender.origin is None:
            raise Refused(PROCESSING_FAILURE, "The called AE title is not that of an origin")
        if not isinstance(sender.origin, AllOrigins):
            return sender.origin
        if self._callers.destination_of_all is None:
            raise Refused(PROCESSING_FAILURE, "Of several origins none is set to take what is stored")
        return self._callers.destination_of_all


def _admit(
    sender_of: SenderOf,
    is_allowed: IsAllowed,
    name: str,
    origin_of: Callable[[Sender], Origin],
    association: Association,
) -> Requester:
    sender = sender_of(association)
    if not is_allowed(sender, Right.STORE, name):
        raise Refused(NOT_AUTHORIZED, f"{name} is not allowed to this caller")
    return Requester(sender.calling, origin_of(sender), association, sender.principal)


def _inbox(sender: Sender) -> Inbox:
    if sender.inbox is None:
        raise Refused(PROCESSING_FAILURE, "The called AE title is not that of an inbox")
    return sender.inbox


def _checked(uid: str) -> str:
    try:
        return check_uid(uid, "SOP Instance UID")
    except InvalidParameter:
        raise Refused(INVALID_SOP_INSTANCE, "The SOP Instance UID is no UID") from None


async def _read(read: Callable[[Dataset], N], data: object, transfer_syntax_uid: str) -> N:
    """Read the attributes of a request in a thread: pydicom takes its time for many."""

    def run() -> N:
        raw = data if isinstance(data, BytesIO) else None
        return read(read_data_set(raw, transfer_syntax_uid, INVALID_ATTRIBUTE_VALUE))

    return await asyncio.to_thread(run)
