"""The server of associations: C-ECHO and C-STORE over them; what else there is, is in `services`."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Final, ParamSpec, cast

from opentelemetry.trace import Span, SpanKind
from pydicom.dataset import Dataset
from pydicom.uid import UID
from pynetdicom import evt
from pynetdicom.ae import ApplicationEntity
from pynetdicom.association import Association
from pynetdicom.dimse_primitives import C_STORE

from isthmus.common.access.authenticator import Authenticator
from isthmus.common.access.patients import Patients
from isthmus.common.auth import Policy, Principal, Right, acting_as
from isthmus.common.dicom.statuses import NOT_AUTHORIZED, OUT_OF_RESOURCES, SUCCESS, UNABLE_TO_PROCESS
from isthmus.common.dicom.uids import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from isthmus.common.dimse import (
    NON_PATIENT_OBJECTS,
    VERIFICATION,
    Category,
    Operation,
    category,
    dimse_status,
    install,
    received_dataset,
    unrestricted_storage,
)
from isthmus.common.dimse.contexts import COMPRESSED, RARE, UNCOMPRESSED
from isthmus.common.dimse.measured import Role, count_data, measured
from isthmus.common.dimse.sockets import TunedSocket, heard
from isthmus.common.dimse.spans import tell_status
from isthmus.common.errors import IsthmusError
from isthmus.common.inbox.deposit import Deposits
from isthmus.common.service import Parts
from isthmus.common.telemetry import get_logger, span
from isthmus.common.telemetry.attributes import (
    DICOM_CALLED_AE,
    DICOM_CALLING_AE,
    DICOM_ORIGIN,
    DICOM_SIZE,
    ISTHMUS_REASON,
)
from isthmus.common.telemetry.instruments import (
    scp_association_duration,
    scp_associations,
    scp_associations_refused,
)
from isthmus.common.threads import LoopStopped, Threads, run_coroutine_from_thread
from isthmus.scp.admission import Admission, Rejection
from isthmus.scp.auditing import Auditing
from isthmus.scp.callers import Callers, Calling
from isthmus.scp.doorkeeper import Doorkeeper
from isthmus.scp.listener import Listener
from isthmus.scp.sender import Sender
from isthmus.scp.services import Services, accept_services
from isthmus.scp.settings import ScpSettings
from isthmus.scp.storing.answer import Answer
from isthmus.scp.storing.arrived import Arrived, Command
from isthmus.scp.storing.budget import Budget
from isthmus.scp.storing.receive import Receiver
from isthmus.scp.storing.store_through import StoreThrough
from isthmus.scp.telling import Telling

STOP_SECONDS: Final = 3.0
"""For all associations together to end."""

P = ParamSpec("P")

log = get_logger(__name__)


class Server:
    """The associations, each in threads of pynetdicom's."""

    def __init__(
        self,
        settings: ScpSettings,
        callers: Callers,
        authenticator: Authenticator,
        receiver: Receiver,
        telling: Telling,
        services: Services,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        """Listen.

        Raises:
            SettingsError: an address cannot be listened on.
        """
        self._callers = callers
        self._receiver = receiver
        self._telling = telling
        self._loop = loop
        handlers = [
            (evt.EVT_ESTABLISHED, self._accepted),
            (evt.EVT_C_ECHO, self._echo),
            (evt.EVT_C_STORE, self._store),
            (evt.EVT_CONN_CLOSE, self._closed),
            *services.handlers(self._sender_of, self._is_allowed),
        ]
        admission = Admission(settings.ae_title, settings.origins, callers, settings.everywhere)
        self._doorkeeper = Doorkeeper(admission, callers, authenticator, loop, self._decided)
        self._listener = Listener(
            _entity(settings),
            settings.doors,
            handlers,
            limits=settings.limits,
            decide=admission.decide,
            judge=self._doorkeeper.judge,
            decided=self._decided,
            no_tls=self._no_tls,
            ended=self._ended,
        )
        self.port = int(self._listener.server_address[1])
        """Where it listens: in clear, if it does that."""
        self.tls_port = self._listener.port_of("scp.tls.listen")
        """Where it listens with TLS; None: nowhere."""

    @property
    def associations(self) -> int:
        """How many are not over."""
        return len(self._listener.active_associations)

    @property
    def waiting(self) -> int:
        """How many connections have not asked for an association yet, or were sent away."""
        return self._listener.waiting

    def stop(self) -> None:
        """Listen no more, and abort the associations; what was not answered is not promised to anyone."""
        self._listener.shutdown()
        associations = self._listener.active_associations
        for association in associations:
            association.abort(block=False)
        deadline = time.monotonic() + STOP_SECONDS
        for association in associations:
            association.dul.join(max(0.0, deadline - time.monotonic()))
            if isinstance(association.dul.socket, TunedSocket):
                association.dul.socket.wake()  # in case it hangs in a read or write
        for association in associations:
            association.join(max(0.0, deadline - time.monotonic()))
            self._listener.over(association)

    def _decided(
        self, calling: Calling, rejection: Rejection | None, principal: Principal | None = None
    ) -> None:
        refusal = None if rejection is None else rejection.in_words
        if rejection is not None:
            scp_associations_refused.add(1, {ISTHMUS_REASON: rejection.name})
        self._on_loop(self._telling.decided, calling, "association", refusal, principal)

    def _no_tls(self, address: str, reason: str) -> None:
        scp_associations_refused.add(1, {ISTHMUS_REASON: "no_tls"})
        self._on_loop(self._telling.decided, Calling("", "", address), "TLS handshake", reason)

    def _accepted(self, event: evt.Event) -> None:
        """Note that an association has begun; runs in its thread."""
        with suppress(KeyError):  # it is over already
            self._listener.sender_of(event.assoc).accepted = time.monotonic()
            scp_associations.add(1)

    def _ended(self, sender: Sender) -> None:
        if sender.accepted is not None:
            scp_associations.add(-1)
            scp_association_duration.record(time.monotonic() - sender.accepted)
        self._on_loop(self._telling.association_ended, sender)

    def _on_loop(self, call: Callable[P, None], *args: P.args, **kwargs: P.kwargs) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody is left to be told
            self._loop.call_soon_threadsafe(partial(call, *args, **kwargs))

    def _closed(self, event: evt.Event) -> None:
        """Note that nobody hears what is still to be answered; runs in the reactor's thread."""
        with suppress(KeyError):  # it is over already
            self._listener.sender_of(event.assoc).is_gone = True

    def _sender_of(self, association: Association) -> Sender:
        return self._listener.sender_of(association)

    def _is_allowed(self, sender: Sender, right: Right, name: str) -> bool:
        """Tell whether somebody may do something; who may not is recorded."""
        if right is Right.STORE and sender.origin is None and sender.sends_for:
            return True  # what a C-MOVE of ours asked for, or nobody: whoever asked says
        reason = "Not among the caller's operations"
        if self._callers.may(sender.principal, right, sender.origin):
            if self._doorkeeper.still_holds(sender):
                return True
            reason = "The key of the user holds no more"
        self._telling.refused(sender, name, reason, self._loop)
        return False

    def _echo(self, event: evt.Event) -> int:
        """Answer a C-ECHO, of whoever may associate; runs in the association's thread."""
        sender = self._listener.sender_of(event.assoc)
        with measured(Operation.C_ECHO, Role.SCP, sender.told_as) as ended:
            ended.status = SUCCESS
        return SUCCESS

    def _store(self, event: evt.Event) -> Dataset:
        """Answer a C-STORE; runs in the association's thread."""
        sender = self._listener.sender_of(event.assoc)
        request = cast("C_STORE", event.request)
        names = {
            DICOM_CALLING_AE: sender.calling_ae_title,
            DICOM_CALLED_AE: sender.calling.called_ae_title,
            **({} if sender.origin is None else {DICOM_ORIGIN: sender.origin.name}),
        }
        with span("C-STORE", names, kind=SpanKind.SERVER) as current:
            with measured(Operation.C_STORE, Role.SCP, sender.told_as) as ended:
                answer = self._answer(sender, request, str(event.context.transfer_syntax), current)
                ended.status = answer.status
            tell_status(current, answer.status)
            if answer.status != SUCCESS:
                log.warning(
                    "not stored" if category(answer.status) is Category.FAILURE else "stored with a warning",
                    called_ae_title=sender.calling.called_ae_title,
                    calling_ae_title=sender.calling_ae_title,
                    status=f"{answer.status:04X}",
                    reason=answer.error_comment,
                )
        heard(event.assoc)
        response = Dataset()
        response.Status = answer.status
        if answer.error_comment:
            response.ErrorComment = answer.error_comment
        return response

    def _answer(self, sender: Sender, request: C_STORE, transfer_syntax_uid: str, current: Span) -> Answer:
        if not self._is_allowed(sender, Right.STORE, Operation.C_STORE):
            return Answer.of(NOT_AUTHORIZED, "This caller may not store here")
        try:
            data = received_dataset(request.DataSet)
            current.set_attribute(DICOM_SIZE, data.size)
            count_data(Role.SCP, sender.told_as, data.size)
            arrived = Arrived(sender, data, _command(request, transfer_syntax_uid))
            seconds = self._receiver.seconds_for(sender, data.size)
            storing = self._telling.auditing.storing(sender, arrived, self._receiver.receive(sender, arrived))
            with acting_as(sender.principal, Right.STORE):
                return run_coroutine_from_thread(storing, self._loop, seconds, arrived.describe)
        except IsthmusError as error:
            return Answer.of(dimse_status(error, Operation.C_STORE), error.detail)
        except TimeoutError:
            return Answer(OUT_OF_RESOURCES, "No answer in time")
        except LoopStopped:
            return Answer(OUT_OF_RESOURCES, "The gateway is stopping")
        except Exception:  # the edge: pynetdicom would swallow it
            log.exception("C-STORE failed")
            return Answer(UNABLE_TO_PROCESS, "Internal error")


def _command(request: C_STORE, transfer_syntax_uid: str) -> Command:
    sop_class, instance = (
        str(uid or "").strip("\0 ") for uid in (request.AffectedSOPClassUID, request.AffectedSOPInstanceUID)
    )
    return Command(sop_class, instance, transfer_syntax_uid)


def _entity(settings: ScpSettings) -> ApplicationEntity:
    entity = ApplicationEntity(settings.ae_title)
    entity.implementation_class_uid = UID(IMPLEMENTATION_CLASS_UID)
    entity.implementation_version_name = IMPLEMENTATION_VERSION_NAME
    # Who is called, who calls, and how many there are at a time: the listener has seen to that.
    entity.require_called_aet = False
    entity.maximum_associations = 1_000_000
    entity.maximum_pdu_size = settings.max_pdu
    entity.acse_timeout = settings.limits.negotiation_seconds
    entity.network_timeout = settings.idle_seconds
    entity.add_supported_context(VERIFICATION.abstract_syntax)
    for sop_class_uid in NON_PATIENT_OBJECTS:  # which "unrestricted storage" does not cover
        entity.add_supported_context(sop_class_uid, [*UNCOMPRESSED, *COMPRESSED, *RARE])
    accept_services(entity)
    return entity


@asynccontextmanager
async def lifespan(parts: Parts) -> AsyncIterator[None]:
    """Receive for as long as the service runs."""
    async with serving(parts):
        yield


@asynccontextmanager
async def serving(parts: Parts) -> AsyncIterator[Server]:
    """Listen, and give the server.

    Raises:
        SettingsError: an address cannot be listened on, or a file of the settings cannot be used.
        BusUnavailable: NATS is away.
    """
    settings = ScpSettings.of(parts.settings)
    policy = Policy.of(parts.settings)
    callers = Callers(policy, settings.origins, settings.callers, settings.destination_of_all)
    deposits = Deposits(parts.bus, parts.blobs, settings.base_url)
    budget = Budget(settings.max_receiving_bytes)
    through = StoreThrough(parts.bus, parts.blobs, budget, settings.destination_of_all)
    receiver = Receiver(parts.bus, parts.blobs, deposits, budget, through)
    auditing = Auditing(parts.bus, Patients(parts.blobs))
    telling = Telling(parts.bus, auditing)
    services = Services(parts, callers, auditing, asyncio.get_running_loop())
    threads = Threads("scp", 1)
    install()
    with unrestricted_storage():
        async with services.running():
            server = await threads.run(
                Server,
                settings,
                callers,
                parts.authenticator,
                receiver,
                telling,
                services,
                asyncio.get_running_loop(),
            )
            log.info("listening", ae_title=settings.ae_title, port=server.port, tls_port=server.tls_port)
            try:
                yield server
            finally:
                await threads.run(server.stop)
                threads.close()
                await telling.finish()
                await through.finish()
