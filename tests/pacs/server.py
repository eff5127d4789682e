"""The PACS's process: its associations, C-ECHO and C-STORE, and what all operations share."""

import itertools
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom import AE, _config, association, evt
from pynetdicom.association import Association
from pynetdicom.dimse_messages import C_CANCEL_RQ
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.pdu import A_RELEASE_RQ
from pynetdicom.service_class import QueryRetrieveServiceClass, ServiceClass

from tests.pacs.archive import Archive
from tests.pacs.behaviour import SUCCESS, Behaviour, comment_of
from tests.pacs.behaviours import Active, from_json
from tests.pacs.events import Event, Kind, Operation
from tests.pacs.query_retrieve import QueryRetrieve
from tests.pacs.sending import send_at_once
from tests.pacs.session import Session
from tests.peers import Peer
from tests.peers.process import LOOPBACK

MAX_PDU: Final = 131072
ASSOCIATIONS: Final = 200
REJECTED_TRANSIENT: Final = (0x02, 0x01, 0x01)
"""Result, source and diagnostic: rejected-transient, service user, no reason given (PS3.8 9.3.4)."""

CLASSES: Final = (
    "1.2.840.10008.1.1",
    "1.2.840.10008.5.1.4.1.2.2.1",
    "1.2.840.10008.5.1.4.1.2.2.2",
    "1.2.840.10008.5.1.4.1.2.2.3",
)
"""Verification; Study Root Query/Retrieve - FIND, MOVE, GET. The storage classes need no list."""


@dataclass(frozen=True, kw_only=True)
class Configuration:
    """What the test wants the PACS to be."""

    ae_title: str
    files: Sequence[str]
    destinations: Sequence[tuple[str, str, int]]
    behaviours: Sequence[tuple[str, Mapping[str, object]]]
    received: str
    """The folder for what is stored."""
    port: int = 0
    """Where it listens; any free one by default."""


class Server:
    """The PACS; there can be one in a process, because it changes pynetdicom's globals."""

    def __init__(self, configuration: Configuration, emit: Callable[[Event], None]) -> None:
        self.ae_title = configuration.ae_title
        self.archive = Archive(Path(file) for file in configuration.files)
        peers = [Peer(*destination) for destination in configuration.destinations]
        self.destinations = {peer.ae_title: peer for peer in peers}
        self.emit = emit
        self._received = Path(configuration.received)
        self._lock = threading.Lock()
        self._active = Active(from_json(configuration.behaviours))
        self._sessions: dict[Association, Session] = {}
        self._kept_waiting: dict[Association, threading.Event] = {}
        self._numbers = itertools.count(1)
        self._stored = itertools.count(1)
        self._ae = AE(self.ae_title)
        self._port = configuration.port

    def start(self) -> None:
        """Listen on a free port of loopback, and say which."""
        _config.LOG_REQUEST_IDENTIFIERS = False
        _config.LOG_RESPONSE_IDENTIFIERS = False
        _config.UNRESTRICTED_STORAGE_SERVICE = True
        # Real archives have UIDs over 64 characters.
        _config.VALIDATORS["UI"] = lambda value: (True, "")
        self._serve_query_retrieve()
        self._ae.maximum_pdu_size = MAX_PDU
        self._ae.maximum_associations = ASSOCIATIONS
        self._ae.network_timeout = None
        for uid in CLASSES:
            self._ae.add_supported_context(uid, [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
        handlers: list[evt.EventHandlerType] = [
            (evt.EVT_CONN_OPEN, send_at_once),
            (evt.EVT_REQUESTED, self._on_requested),
            (evt.EVT_ESTABLISHED, self._on_established),
            (evt.EVT_CONN_CLOSE, self._on_closed),
            (evt.EVT_RELEASED, self._on_closed),
            (evt.EVT_ABORTED, self._on_closed),
            (evt.EVT_DIMSE_RECV, self._on_message),
            (evt.EVT_PDU_RECV, self._on_pdu),
            (evt.EVT_C_ECHO, self._on_echo),
            (evt.EVT_C_STORE, self._on_store),
        ]
        server = self._ae.start_server((LOOPBACK, self._port), block=False, evt_handlers=handlers)
        if server is None:
            raise RuntimeError("pynetdicom gives the server when it is told not to block")
        self.emit(Event(kind=Kind.LISTENING, port=server.server_address[1]))

    def stop(self) -> None:
        """Abort what is open, and listen no more."""
        self._ae.shutdown()

    def behave(self, behaviours: Sequence[tuple[str, Mapping[str, object]]]) -> None:
        """Have these behaviours from the next operation on."""
        with self._lock:
            self._active = Active(from_json(behaviours))
        self.emit(Event(kind=Kind.BEHAVES))

    def session(self, assoc: Association) -> Session:
        """What we know of an association."""
        with self._lock:
            return self._sessions[assoc]

    def begin(self, operation: Operation, session: Session, keys: Dataset | None = None) -> list[Behaviour]:
        """An operation has come in: tell the test, and look what to do about it."""
        values = {key.keyword: _text(key.value) for key in keys or () if key.keyword != "QueryRetrieveLevel"}
        level = str(keys.get("QueryRetrieveLevel", "")) if keys is not None else ""
        event = Event(
            kind=Kind.BEGUN, association=session.number, operation=operation, level=level, keys=values
        )
        self.emit(event)
        return self._behaviours(operation)

    def _behaviours(self, operation: Operation) -> list[Behaviour]:
        with self._lock:
            return list(self._active.to(operation))

    def _serve_query_retrieve(self) -> None:
        """Take the place of pynetdicom's provider of C-FIND, C-GET and C-MOVE."""
        original = association.uid_to_service_class  # type: ignore[attr-defined]  # imported there

        def provider(assoc: Association) -> ServiceClass:
            return QueryRetrieve(assoc, self)

        def uid_to_service_class(uid: str) -> Callable[[Association], ServiceClass]:
            service_class: type[ServiceClass] = original(uid)
            return provider if service_class is QueryRetrieveServiceClass else service_class

        association.uid_to_service_class = uid_to_service_class  # type: ignore[attr-defined, assignment]  # a class, or what makes one

    def _on_requested(self, event: evt.Event) -> None:
        behaviours = self._behaviours(Operation.ASSOCIATE)
        with self._lock:
            open_now = sum(session.is_open for session in self._sessions.values())
            gone = self._kept_waiting[event.assoc] = threading.Event()
        if any(behaviour.keeps_waiting(open_now) for behaviour in behaviours):
            self.emit(Event(kind=Kind.KEPT_WAITING))
            gone.wait()
        elif any(behaviour.refuses(open_now) for behaviour in behaviours):
            self.emit(Event(kind=Kind.REJECTED))
            event.assoc.acse.send_reject(*REJECTED_TRANSIENT)
            # Waits until it is out; pynetdicom would close the connection before.
            event.assoc.kill()

    def _on_established(self, event: evt.Event) -> None:
        requestor = event.assoc.requestor
        with self._lock:
            session = self._sessions[event.assoc] = Session(next(self._numbers))
        contexts = [
            (str(cx.abstract_syntax), list(map(str, cx.transfer_syntax)))
            for cx in requestor.requested_contexts
        ]
        calling = str(requestor.ae_title).strip()
        self.emit(Event(kind=Kind.OPENED, association=session.number, calling=calling, contexts=contexts))

    def _on_closed(self, event: evt.Event) -> None:
        with self._lock:
            session = self._sessions.get(event.assoc)
            gone = self._kept_waiting.pop(event.assoc, None)
        if gone is not None:
            gone.set()
        if session is not None and session.close():
            self.emit(Event(kind=Kind.CLOSED, association=session.number))

    def _on_pdu(self, event: evt.Event) -> None:
        if isinstance(event.pdu, A_RELEASE_RQ):
            self.session(event.assoc).leave()

    def _on_message(self, event: evt.Event) -> None:
        if isinstance(event.message, C_CANCEL_RQ):
            session = self.session(event.assoc)
            # Told before it is done, so that the event comes before those that it causes.
            self.emit(Event(kind=Kind.CANCELLED, association=session.number))
            session.cancel(int(event.message.command_set.MessageIDBeingRespondedTo))

    def _on_echo(self, event: evt.Event) -> int:
        session = self.session(event.assoc)
        behaviours = self.begin(Operation.ECHO, session)
        return self._end(Operation.ECHO, session, behaviours, event.message_id, SUCCESS)

    def _on_store(self, event: evt.Event) -> Dataset:
        session = self.session(event.assoc)
        behaviours = self.begin(Operation.STORE, session)
        if not isinstance(event.request, C_STORE):
            raise TypeError("EVT_C_STORE has a C-STORE request")
        sop_instance_uid = str(event.request.AffectedSOPInstanceUID)
        status = next(filter(None, (b.store_status(sop_instance_uid) for b in behaviours)), SUCCESS)
        if status == SUCCESS or status & 0xF000 == 0xB000:
            with self._lock:
                file = self._received / f"{next(self._stored):06}.dcm"
            file.write_bytes(event.encoded_dataset())
        answer = Dataset()
        answer.Status = self._end(
            Operation.STORE, session, behaviours, event.message_id, status, sop_instance_uid
        )
        if (comment := comment_of(behaviours)) and status != SUCCESS:
            answer.ErrorComment = comment
        return answer

    def _end(
        self,
        operation: Operation,
        session: Session,
        behaviours: Sequence[Behaviour],
        message_id: int,
        status: int,
        sop_instance_uid: str = "",
    ) -> int:
        if not all(behaviour.answers(session.served) for behaviour in behaviours):
            session.wait_for_end()
            return status
        session.end(message_id)
        self.emit(
            Event(
                kind=Kind.ENDED,
                association=session.number,
                operation=operation,
                sop_instance_uid=sop_instance_uid,
                status=status,
            )
        )
        return status


def _text(value: object) -> str:
    """A key's value as it is written in DICOM; of a sequence, how many items it has."""
    if isinstance(value, Sequence) and not isinstance(value, str):
        return str(len(value)) if value and isinstance(value[0], Dataset) else "\\".join(map(str, value))
    return "" if value is None else str(value)
