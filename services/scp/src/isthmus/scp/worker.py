"""The server of associations: C-ECHO for anyone, C-STORE for what was asked for."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final, cast
from weakref import WeakKeyDictionary

import structlog
from opentelemetry.trace import Span, SpanKind
from pydicom.dataset import Dataset
from pydicom.uid import UID
from pynetdicom import evt
from pynetdicom.ae import ApplicationEntity
from pynetdicom.association import Association
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.transport import ThreadedAssociationServer

from isthmus.common.blobs import PART
from isthmus.common.dicom.uids import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from isthmus.common.dimse import (
    MAX_PDU,
    NON_PATIENT_OBJECTS,
    VERIFICATION,
    Operation,
    dimse_status,
    install,
    received_dataset,
    unrestricted_storage,
)
from isthmus.common.dimse.contexts import COMPRESSED, RARE, UNCOMPRESSED
from isthmus.common.dimse.sockets import TunedSocket
from isthmus.common.dimse.status import OUT_OF_RESOURCES, SUCCESS, UNABLE_TO_PROCESS
from isthmus.common.errors import IsthmusError, SettingsError
from isthmus.common.service import Parts
from isthmus.common.telemetry import span
from isthmus.common.threads import LoopStopped, Threads, run_coroutine_from_thread
from isthmus.scp.callers import Callers
from isthmus.scp.receive import Answer, Arrived, Receiver, Sender
from isthmus.scp.settings import ScpSettings

MAX_ASSOCIATIONS: Final = 64
"""At one time; Orthanc opens one for each study that it sends."""
IDLE_SECONDS: Final = 60.0
"""Of silence, before an association is aborted."""
ANSWER_SECONDS: Final = 75.0
"""For one C-STORE: S3 has 30 s for each of its steps, whoever asked has 5."""
PART_SECONDS: Final = 30.0
"""More, for each further part that a large one is written in."""
STOP_SECONDS: Final = 3.0
"""For all associations together to end."""

log = structlog.get_logger()


class Server:
    """The listening socket, and the associations that come of it, each in threads of pynetdicom's."""

    def __init__(self, settings: ScpSettings, receiver: Receiver, loop: asyncio.AbstractEventLoop) -> None:
        """Listen.

        Raises:
            SettingsError: the address cannot be listened on.
        """
        self._ae_title = settings.ae_title
        self._receiver = receiver
        self._loop = loop
        self._senders: WeakKeyDictionary[Association, Sender] = WeakKeyDictionary()
        listen = settings.listen
        entity = _entity(settings.ae_title)
        try:
            started = entity.start_server(
                (listen.host, listen.port), block=False, evt_handlers=[(evt.EVT_C_STORE, self._store)]
            )
        except OSError as error:
            raise SettingsError(f"scp.listen: {listen}: {error.strerror}") from error
        self._server = cast("ThreadedAssociationServer", started)  # None only where it blocks
        self.port = int(self._server.server_address[1])
        """Where it listens."""

    def stop(self) -> None:
        """Listen no more, and abort the associations; what was not answered is not promised to anyone."""
        associations = self._server.active_associations
        self._server.shutdown()
        for association in associations:
            association.abort(block=False)
        deadline = time.monotonic() + STOP_SECONDS
        for association in associations:
            association.dul.join(max(0.0, deadline - time.monotonic()))
            if isinstance(association.dul.socket, TunedSocket):
                association.dul.socket.wake()  # in case it hangs in a read or write
        for association in associations:
            association.join(max(0.0, deadline - time.monotonic()))

    def _store(self, event: evt.Event) -> Dataset:
        """Answer a C-STORE; runs in the association's thread."""
        association = event.assoc
        sender = self._senders.setdefault(association, Sender(association.requestor.ae_title.strip()))
        request = cast("C_STORE", event.request)
        with span(
            "C-STORE",
            {"dicom.calling_ae": sender.calling_ae_title, "dicom.called_ae": self._ae_title},
            kind=SpanKind.SERVER,
        ) as current:
            answer = self._answer(sender, request, str(event.context.transfer_syntax), current)
            current.set_attribute("dicom.status", f"{answer.status:04X}")
        if answer.status != SUCCESS:
            log.warning(
                "not stored",
                calling_ae_title=sender.calling_ae_title,
                status=f"{answer.status:04X}",
                reason=answer.error_comment,
            )
        response = Dataset()
        response.Status = answer.status
        if answer.error_comment:
            response.ErrorComment = answer.error_comment
        return response

    def _answer(self, sender: Sender, request: C_STORE, transfer_syntax_uid: str, current: Span) -> Answer:
        try:
            data = received_dataset(request.DataSet)
            current.set_attribute("dicom.size", data.size)
            arrived = Arrived.of(sender, data, transfer_syntax_uid)
            seconds = ANSWER_SECONDS + PART_SECONDS * (data.size // PART)
            return run_coroutine_from_thread(self._receiver.receive(sender, arrived), self._loop, seconds)
        except IsthmusError as error:
            return Answer.of(dimse_status(error, Operation.C_STORE), error.detail)
        except TimeoutError:
            return Answer(OUT_OF_RESOURCES, "No answer in time")
        except LoopStopped:
            return Answer(OUT_OF_RESOURCES, "The gateway is stopping")
        except Exception:  # the edge: pynetdicom would swallow it
            log.exception("C-STORE failed")
            return Answer(UNABLE_TO_PROCESS, "Internal error")


def _entity(ae_title: str) -> ApplicationEntity:
    entity = ApplicationEntity(ae_title)
    entity.implementation_class_uid = UID(IMPLEMENTATION_CLASS_UID)
    entity.implementation_version_name = IMPLEMENTATION_VERSION_NAME
    entity.require_called_aet = True
    entity.maximum_associations = MAX_ASSOCIATIONS
    entity.maximum_pdu_size = MAX_PDU
    entity.network_timeout = IDLE_SECONDS
    entity.add_supported_context(VERIFICATION.abstract_syntax)
    for sop_class_uid in NON_PATIENT_OBJECTS:  # which "unrestricted storage" does not cover
        entity.add_supported_context(sop_class_uid, [*UNCOMPRESSED, *COMPRESSED, *RARE])
    return entity


@asynccontextmanager
async def lifespan(parts: Parts) -> AsyncIterator[None]:
    """Receive for as long as the service runs."""
    async with serving(parts):
        yield


@asynccontextmanager
async def serving(parts: Parts) -> AsyncIterator[Server]:
    """Listen, and give the server."""
    settings = ScpSettings.of(parts.settings)
    receiver = Receiver(parts.bus, parts.blobs, Callers(settings.origins))
    threads = Threads("scp", 1)
    install()
    with unrestricted_storage():
        server = await threads.run(Server, settings, receiver, asyncio.get_running_loop())
        log.info("listening", ae_title=settings.ae_title, port=server.port)
        try:
            yield server
        finally:
            await threads.run(server.stop)
            threads.close()
