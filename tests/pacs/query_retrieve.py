"""C-FIND, C-GET and C-MOVE of the PACS (PS3.4 C.4), in place of pynetdicom's own, which would re-encode."""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from io import BytesIO
from typing import TYPE_CHECKING, Final

from pydicom.dataset import Dataset
from pynetdicom.association import Association
from pynetdicom.dimse_primitives import C_FIND, C_GET, C_MOVE
from pynetdicom.dsutils import decode, encode
from pynetdicom.presentation import PresentationContext
from pynetdicom.service_class import QueryRetrieveServiceClass

from tests.pacs.archive import Instance
from tests.pacs.behaviours import Behaviour, BreaksOff, Fails
from tests.pacs.events import Event, Kind, Operation
from tests.pacs.sending import OUT_OF_RESOURCES, Sender, sender_to

if TYPE_CHECKING:
    from tests.pacs.server import Server

SUCCESS: Final = 0x0000
PENDING: Final = 0xFF00
CANCEL: Final = 0xFE00
WARNING: Final = 0xB000
UNKNOWN_DESTINATION: Final = 0xA801

Request = C_FIND | C_GET | C_MOVE
OPERATIONS: Final = {C_FIND: Operation.FIND, C_GET: Operation.GET, C_MOVE: Operation.MOVE}


@dataclass
class Counters:
    """The sub-operations of a retrieve (PS3.7 9.1.3.1)."""

    remaining: int
    completed: int = 0
    warning: int = 0
    failed: list[str] = field(default_factory=list)

    def count(self, instance: Instance, status: int) -> None:
        """One more has this status."""
        self.remaining -= 1
        if status == SUCCESS:
            self.completed += 1
        elif status & 0xF000 == 0xB000:
            self.warning += 1
        else:
            self.failed.append(instance.sop_instance_uid)

    def final_status(self) -> int:
        """The status of the whole (PS3.4 C.4.2.1.5)."""
        if not self.failed and not self.warning:
            return SUCCESS
        return WARNING if self.completed or self.warning else OUT_OF_RESOURCES


class QueryRetrieve(QueryRetrieveServiceClass):
    """Serves one operation, in the association's thread."""

    def __init__(self, assoc: Association, server: "Server") -> None:
        super().__init__(assoc)
        self._server = server
        self._session = server.session(assoc)

    def SCP(self, req: Request, context: PresentationContext) -> None:  # noqa: N802  pynetdicom's name
        """Serve this request."""
        syntax = context.transfer_syntax[0]
        keys = decode(req.Identifier or BytesIO(), syntax.is_implicit_VR, syntax.is_little_endian)
        operation = OPERATIONS[type(req)]
        behaviours = self._server.begin(operation, self._session, keys)
        message_id = req.MessageID or 0
        try:
            if not all(behaviour.answers() for behaviour in behaviours):
                self._session.wait_for_end()
                return
            if isinstance(req, C_FIND):
                self._find(req, context, keys, behaviours)
            else:
                self._retrieve(req, context, keys, behaviours)
        except BreaksOff:
            self.assoc.abort()
        finally:
            self._session.forget(message_id)

    def _find(
        self, req: C_FIND, context: PresentationContext, keys: Dataset, behaviours: list[Behaviour]
    ) -> None:
        keywords = [key.keyword for key in keys]
        ignored = {keyword for behaviour in behaviours for keyword in behaviour.ignored_keys(keywords)}
        matches = self._server.archive.find(keys, ignored=ignored)
        status = SUCCESS
        try:
            for number, match in enumerate([*matches, None]):
                for behaviour in behaviours:
                    behaviour.on_match(number)
                if self._session.cancelled(req.MessageID or 0):
                    status = CANCEL
                    break
                if match is not None:
                    self._respond(req, context, PENDING, identifier=match)
        except Fails as failure:
            status = failure.status
        self._respond(req, context, status)

    def _retrieve(
        self, req: C_GET | C_MOVE, context: PresentationContext, keys: Dataset, behaviours: list[Behaviour]
    ) -> None:
        instances = self._server.archive.select(keys)
        for behaviour in behaviours:
            instances = behaviour.choose(instances)
        counters = Counters(len(instances))
        if isinstance(req, C_MOVE) and req.MoveDestination not in self._server.destinations:
            self._respond(req, context, UNKNOWN_DESTINATION)
            return
        with self._sender(req, instances) as sender:
            if sender is None:
                status = OUT_OF_RESOURCES
                counters.failed = [instance.sop_instance_uid for instance in instances]
                counters.remaining = 0
            else:
                cancelled = self._send_all(req, context, instances, counters, sender, behaviours)
                status = CANCEL if cancelled else counters.final_status()
        self._respond(req, context, status, counters=counters)

    def _sender(
        self, req: C_GET | C_MOVE, instances: list[Instance]
    ) -> AbstractContextManager[Sender | None]:
        if isinstance(req, C_GET) or not instances:
            return nullcontext(Sender(self.assoc))
        destination = self._server.destinations[str(req.MoveDestination)]
        return sender_to(destination, self._server.ae_title, instances)

    def _send_all(
        self,
        req: C_GET | C_MOVE,
        context: PresentationContext,
        instances: list[Instance],
        counters: Counters,
        sender: Sender,
        behaviours: list[Behaviour],
    ) -> bool:
        """Do the sub-operations; returns whether a C-CANCEL ended them."""
        message_id = req.MessageID or 0
        originator = (str(self.assoc.requestor.ae_title), message_id) if isinstance(req, C_MOVE) else None
        sent = 0
        for behaviour in behaviours:
            behaviour.on_progress(sent)
        for instance in instances:
            self._session.wait(message_id, sum(behaviour.pause_seconds() for behaviour in behaviours))
            if self._session.cancelled(message_id):
                return True
            status = next(filter(None, (b.suboperation_status(instance) for b in behaviours)), None)
            if status is None:
                status = sender.send(instance, originator=originator)
                sent += 1
                self._report(instance, status)
            if status is None and isinstance(req, C_GET):
                raise BreaksOff
            counters.count(instance, OUT_OF_RESOURCES if status is None else status)
            self._respond(req, context, PENDING, counters=counters)
            for behaviour in behaviours:
                behaviour.on_progress(sent)
        return False

    def _report(self, instance: Instance, status: int | None) -> None:
        self._server.emit(
            Event(
                kind=Kind.SENT,
                association=self._session.number,
                sop_instance_uid=instance.sop_instance_uid,
                status=status,
            )
        )

    def _respond(
        self,
        req: Request,
        context: PresentationContext,
        status: int,
        *,
        identifier: Dataset | None = None,
        counters: Counters | None = None,
    ) -> None:
        response = type(req)()
        response.MessageIDBeingRespondedTo = req.MessageID
        response.AffectedSOPClassUID = req.AffectedSOPClassUID
        response.Status = status
        if counters is not None and not isinstance(response, C_FIND):
            if status in (PENDING, CANCEL):
                response.NumberOfRemainingSuboperations = counters.remaining
            response.NumberOfCompletedSuboperations = counters.completed
            response.NumberOfFailedSuboperations = len(counters.failed)
            response.NumberOfWarningSuboperations = counters.warning
            if counters.failed and status != PENDING:
                identifier = Dataset()
                identifier.FailedSOPInstanceUIDList = counters.failed
        if identifier is not None:
            syntax = context.transfer_syntax[0]
            encoded = encode(identifier, syntax.is_implicit_VR, syntax.is_little_endian)
            response.Identifier = BytesIO(encoded or b"")
        if status != PENDING:
            # Told before it is done: when the client has its answer, the test can see it.
            self._server.emit(
                Event(
                    kind=Kind.ENDED,
                    association=self._session.number,
                    operation=OPERATIONS[type(req)],
                    status=status,
                )
            )
        self.dimse.send_msg(response, int(context.context_id or 0))
