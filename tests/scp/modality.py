"""A modality as pynetdicom plays it, and a server of the services beside storage alone."""

import asyncio
import ssl
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from queue import Queue
from typing import TYPE_CHECKING, cast

from pydicom.dataset import Dataset
from pynetdicom import AE, evt
from pynetdicom.association import Association
from pynetdicom.dimse_primitives import N_EVENT_REPORT
from pynetdicom.transport import ThreadedAssociationServer

from isthmus.common.auth import Policy, Right
from isthmus.common.config import Inbox, Settings
from isthmus.common.config.arriving import Caller
from isthmus.common.config.settings import Scp
from isthmus.common.dimse import install, unrestricted_storage
from isthmus.common.service import Parts
from isthmus.scp.auditing import Auditing
from isthmus.scp.callers import Callers, Calling
from isthmus.scp.commitment.requests import STORAGE_COMMITMENT, STORAGE_COMMITMENT_INSTANCE
from isthmus.scp.sender import Sender
from isthmus.scp.services import SOP_CLASSES, Services, accept_services
from isthmus.scp.settings import ScpSettings
from tests.waiting import PATIENCE

if TYPE_CHECKING:
    from pynetdicom.dimse_primitives import DimseServiceType
    from pynetdicom.events import EventHandlerType

CT = "1.2.840.10008.5.1.4.1.1.2"
MR = "1.2.840.10008.5.1.4.1.1.4"
MODALITY = "MODALITY"

Result = tuple[int, Dataset]
"""Event Type ID and Event Information."""


def with_callers(parts: Parts, inbox: Inbox, callers: Sequence[Caller] = ()) -> Parts:
    settings = Settings(scp=Scp(listen="127.0.0.1:0", callers=tuple(callers)), origins=(inbox,))
    return Parts(settings, parts.bus, parts.blobs)


@asynccontextmanager
async def services(parts: Parts, called: str | None = None) -> AsyncIterator[int]:
    """Serve on a free port, and give it; `called` is the inbox, or the first one."""
    loop = asyncio.get_running_loop()
    inboxes = [one for one in parts.settings.origins if isinstance(one, Inbox)]
    inbox = inboxes[0] if called is None else next((one for one in inboxes if one.name == called), None)
    policy = Policy.of(parts.settings)
    settings = ScpSettings.of(parts.settings)
    callers = Callers(policy, settings.origins, settings.callers, settings.destination_of_all)
    running = Services(parts, callers, Auditing(parts.bus), loop)

    def sender_of(association: Association) -> Sender:
        title = association.requestor.ae_title.strip()
        return Sender(Calling(title, "INBOX", association.requestor.address), inbox)

    def is_allowed(sender: Sender, right: Right, _: str) -> bool:
        return callers.may(sender.principal, right, sender.inbox)

    install()
    entity = AE("INBOX")
    accept_services(entity)
    with unrestricted_storage():
        async with running.running():
            handlers = running.handlers(sender_of, is_allowed)
            started = entity.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
            server = cast("ThreadedAssociationServer", started)
            try:
                yield int(server.server_address[1])
            finally:
                await asyncio.to_thread(server.shutdown)


class Modality:
    """Asks for commitment, and takes the results on the association of the request and on its own port."""

    def __init__(self, status: int = 0, *, answers_here: bool = True) -> None:
        self.here: Queue[Result] = Queue()
        """What came on the association of the request."""
        self.there: Queue[Result] = Queue()
        """What came on an association that we accepted."""
        self.roles: list[tuple[bool | None, bool | None]] = []
        """The roles that were accepted there, as SCU and as SCP of who called."""
        self.status = status
        """What is answered."""
        self.answers = threading.Event()
        """On the association of the request it answers only when this is set."""
        self.answers_there = threading.Event()
        """And on associations that it accepted, only when this is."""
        self.answers_there.set()
        if answers_here:
            self.answers.set()

    def _take(self, event: evt.Event, results: "Queue[Result]") -> tuple[int, Dataset | None]:
        request = cast("N_EVENT_REPORT", event.request)
        assert request.AffectedSOPClassUID == STORAGE_COMMITMENT
        assert request.AffectedSOPInstanceUID == STORAGE_COMMITMENT_INSTANCE
        results.put((int(request.EventTypeID or 0), event.event_information))
        (self.answers if results is self.here else self.answers_there).wait(PATIENCE)
        return self.status, None

    @contextmanager
    def associated(self, port: int, called: str = "INBOX") -> Iterator[Association]:
        entity = AE(MODALITY)
        for sop_class_uid in (*SOP_CLASSES, CT):
            entity.add_requested_context(sop_class_uid)
        entity.dimse_timeout = entity.acse_timeout = PATIENCE
        handler = (evt.EVT_N_EVENT_REPORT, self._take, [self.here])
        association = entity.associate("127.0.0.1", port, ae_title=called, evt_handlers=[handler])
        assert association.is_established
        _one_at_a_time(association)
        try:
            yield association
        finally:
            if not self.answers.is_set():
                association.abort(block=False)
                self.answers.set()
            elif association.is_established:
                with locked(association):
                    association.release()

    @contextmanager
    def listening(self, port: int = 0, tls: ssl.SSLContext | None = None) -> Iterator[int]:
        entity = AE(MODALITY)
        entity.add_supported_context(STORAGE_COMMITMENT, scu_role=True, scp_role=True)

        def accepted(event: evt.Event) -> None:
            for context in event.assoc.accepted_contexts:
                self.roles.append((context.as_scu, context.as_scp))

        handlers: list[EventHandlerType] = [
            (evt.EVT_N_EVENT_REPORT, self._take, [self.there]),
            (evt.EVT_ESTABLISHED, accepted),
        ]
        started = entity.start_server(
            ("127.0.0.1", port), block=False, ssl_context=tls, evt_handlers=handlers
        )
        server = cast("ThreadedAssociationServer", started)
        try:
            yield int(server.server_address[1])
        finally:
            server.shutdown()


def _one_at_a_time(association: Association) -> None:
    """Keep pynetdicom from serving a report while it waits for its own reactor: it would wait for ever."""
    serve, lock = association._serve_request, threading.RLock()

    def serve_alone(message: "DimseServiceType", context_id: int) -> None:
        with lock:
            serve(message, context_id)

    vars(association)["lock"] = lock
    vars(association)["_serve_request"] = serve_alone


def locked(association: Association) -> AbstractContextManager[object]:
    """Hold off reports while something is sent."""
    return cast("AbstractContextManager[object]", vars(association)["lock"])


def action_information(transaction: str | None, *references: tuple[str, str]) -> Dataset:
    data = Dataset()
    if transaction is not None:
        data.TransactionUID = transaction
    data.ReferencedSOPSequence = []
    for sop_class_uid, sop_instance_uid in references:
        item = Dataset()
        item.ReferencedSOPClassUID = sop_class_uid
        item.ReferencedSOPInstanceUID = sop_instance_uid
        data.ReferencedSOPSequence.append(item)
    return data


def ask(
    association: Association,
    data: Dataset | None,
    *,
    action: int = 1,
    instance: str = STORAGE_COMMITMENT_INSTANCE,
) -> Dataset:
    """Send an N-ACTION, and give the status."""
    with locked(association):
        status, _ = association.send_n_action(data, action, STORAGE_COMMITMENT, instance)
    return status


def committed(result: Result) -> set[str]:
    return {item.ReferencedSOPInstanceUID for item in result[1].get("ReferencedSOPSequence", ())}


def failed(result: Result) -> dict[str, int]:
    return {
        item.ReferencedSOPInstanceUID: int(item.FailureReason)
        for item in result[1].get("FailedSOPSequence", ())
    }
