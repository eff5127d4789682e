"""The operations on an association, for threads: C-ECHO, C-FIND, C-GET, C-MOVE and C-STORE (PS3.7 9.1).

N-EVENT-REPORT (PS3.7 10.1.1) is one too, where it is we who provide the service.

They block; one operation at a time. `cancel`, `heard`, `interrupt` and `alive` may be called from any thread.
The loops are our own over pynetdicom's queue of messages: data sets go in and out as the bytes that they are.
"""

import time
from collections.abc import Callable, Generator, Sequence
from contextlib import closing, suppress
from typing import BinaryIO, Final, Self, TypeAlias

from opentelemetry.trace import Span, SpanKind
from pydicom.dataset import Dataset
from pynetdicom.dimse_primitives import C_ECHO, C_FIND, C_GET, C_MOVE, C_STORE, N_EVENT_REPORT

from isthmus.common.dicom.statuses import INVALID_SOP_INSTANCE
from isthmus.common.dimse.connection import Connection
from isthmus.common.dimse.contexts import VERIFICATION, Context
from isthmus.common.dimse.exchange import Exchange, Running
from isthmus.common.dimse.identifiers import encode_identifier, failed_sop_instance_uids
from isthmus.common.dimse.measured import Outgoing, Role, count_data, count_refused, measured
from isthmus.common.dimse.negotiation import Accepted
from isthmus.common.dimse.peer import Peer
from isthmus.common.dimse.results import (
    FindResponse,
    ReceivedInstance,
    StoreResult,
    SubOperationOf,
    SubOperations,
)
from isthmus.common.dimse.sockets import MAX_PDU
from isthmus.common.dimse.spans import association_attributes, tell_status, tell_sub_operations
from isthmus.common.dimse.spill import received_dataset
from isthmus.common.dimse.status import Category, Operation, category, failure
from isthmus.common.errors import AssociationAborted, OriginError
from isthmus.common.telemetry import AttributeValue, span
from isthmus.common.telemetry.attributes import (
    DICOM_CONTEXTS_ACCEPTED,
    DICOM_CONTEXTS_PROPOSED,
    DICOM_MATCHES,
    DICOM_ORIGIN,
    DICOM_RECEIVED,
    DICOM_SIZE,
)

LONGEST_UID: Final = 64
"""PS3.5 9.1."""

OnInstance: TypeAlias = Callable[[ReceivedInstance], int]
OnPending: TypeAlias = Callable[[SubOperations], None]


class Association:
    """An association with an origin."""

    def __init__(self, connection: Connection, proposed: Sequence[Context]) -> None:
        self.peer = connection.peer
        self.proposed = frozenset(proposed)
        self._connection = connection
        self._exchange = Exchange(connection)

    @classmethod
    def open(cls, peer: Peer, contexts: Sequence[Context], *, max_pdu: int = MAX_PDU) -> Self:
        """Connect and negotiate.

        Raises:
            OriginUnreachable: no connection.
            AssociationRejected: with the peer's reason (PS3.8 9.3.4).
            NoAcceptedContext: the peer accepts nothing of what was proposed.
            OriginTimeout: connected, but no answer.
            AssociationAborted: the peer broke off.
        """
        with span("DIMSE negotiation", association_attributes(peer), kind=SpanKind.CLIENT) as started:
            started.set_attribute(DICOM_CONTEXTS_PROPOSED, len(contexts))
            with count_refused(peer.origin):
                connection = Connection.open(peer, contexts, max_pdu)
            started.set_attribute(DICOM_CONTEXTS_ACCEPTED, len(connection.accepted))
        return cls(connection, contexts)

    @property
    def accepted(self) -> tuple[Accepted, ...]:
        """The presentation contexts that the origin accepted."""
        return self._connection.accepted

    @property
    def alive(self) -> bool:
        """Whether it can be used, as far as the state of its socket tells."""
        return self._connection.alive

    @property
    def idle(self) -> bool:
        """Whether no operation runs."""
        return self._exchange.idle.is_set()

    @property
    def answered(self) -> int:
        """How many messages have come from the origin."""
        return self._connection.received

    def echo(self) -> float:
        """Verify that the origin answers (PS3.4 Annex A), and give the seconds it took.

        Raises:
            OriginError: it does not, or its status is a failure.
        """
        with self._exchange.operation(Operation.C_ECHO, VERIFICATION.abstract_syntax) as (running, current):
            began = time.monotonic()
            running.request(C_ECHO())
            _, status = running.response(C_ECHO)
            tell_status(current, status)
            running.judge(status)
            return time.monotonic() - began

    def find(self, sop_class_uid: str, identifier: Dataset) -> Generator[FindResponse, None, None]:
        """Search (PS3.4 C.4.1): give each pending response, in the origin's order.

        To stop early close the generator, best by `contextlib.closing`, in the thread that reads it: that
        cancels the query and drops what the origin still sends, and aborts one that goes on for too long.

        Raises:
            OriginCancelled: `cancel` was called, or the origin cancelled.
            OriginError: the final status is a failure, or the association failed.
        """
        with self._exchange.operation(Operation.C_FIND, sop_class_uid, current=False) as (running, current):
            request = C_FIND()
            request.Identifier = encode_identifier(identifier, running.context.transfer_syntax_uid)
            running.request(request)
            matches = 0
            with closing(_responses(running)) as responses:
                for response, status in responses:
                    if category(status) is not Category.PENDING:
                        tell_status(current, status)
                        running.judge(status)
                        return
                    matches += 1
                    current.set_attribute(DICOM_MATCHES, matches)
                    data = response.Identifier.getvalue() if response.Identifier else None
                    yield FindResponse(status, data, running.context.transfer_syntax_uid)

    def get(self, sop_class_uid: str, identifier: Dataset, on_instance: OnInstance) -> SubOperations:
        """Have the origin send instances on this association (PS3.4 C.4.3).

        Args:
            sop_class_uid: the information model.
            identifier: what to send.
            on_instance: takes each instance, in this thread, and gives the C-STORE's status (PS3.4 B.2.3);
                what it raises aborts the association and is raised here.

        Returns:
            The final response, whatever its status: compare with what arrived.

        Raises:
            OriginCancelled: `cancel` was called, and the origin stopped before it was through.
            OriginError: the association failed.
        """
        with self._exchange.operation(Operation.C_GET, sop_class_uid) as (running, current):
            request = C_GET()
            request.Identifier = encode_identifier(identifier, running.context.transfer_syntax_uid)
            running.request(request)
            received = 0
            while True:
                context_id, message = running.receive()
                if isinstance(message, C_STORE):
                    self._take(running, message, context_id, on_instance)
                    received += 1
                    current.set_attribute(DICOM_RECEIVED, received)
                    continue
                result = _sub_operations(*running.expect(message, C_GET), running.context)
                if category(result.status) is not Category.PENDING:
                    return _finish(running, result, current)

    def move(
        self,
        sop_class_uid: str,
        identifier: Dataset,
        destination_ae_title: str,
        on_pending: OnPending | None = None,
    ) -> SubOperations:
        """Have the origin send instances to another application entity (PS3.4 C.4.2).

        An origin may say nothing while it sends: call `heard` for each instance that arrives there.

        Args:
            sop_class_uid: the information model.
            identifier: what to send.
            destination_ae_title: who shall get it; the origin knows where that is.
            on_pending: takes each pending response, in this thread.

        Returns:
            The final response, whatever its status: compare with what arrived.

        Raises:
            OriginCancelled: `cancel` was called, and the origin stopped before it was through.
            OriginError: the association failed.
        """
        with self._exchange.operation(Operation.C_MOVE, sop_class_uid) as (running, current):
            request = C_MOVE()
            request.MoveDestination = destination_ae_title
            request.Identifier = encode_identifier(identifier, running.context.transfer_syntax_uid)
            running.request(request)
            while True:
                result = _sub_operations(*running.response(C_MOVE), running.context)
                if category(result.status) is not Category.PENDING:
                    return _finish(running, result, current)
                if on_pending is not None:
                    on_pending(result)

    def store(
        self,
        data: BinaryIO,
        *,
        sop_class_uid: str,
        sop_instance_uid: str,
        transfer_syntax_uid: str,
        sub_operation: SubOperationOf | None = None,
    ) -> StoreResult:
        """Send an instance (PS3.4 B.2), byte for byte, in as much memory as a few PDUs take.

        Only a data set of odd length gets a NUL behind it (PS3.5 A.5), without which DCMTK aborts.

        Args:
            data: the data set, from where it stands to its end; what reading raises aborts the association.
            sop_class_uid: of the data set.
            sop_instance_uid: of the data set.
            transfer_syntax_uid: what the data set is encoded in; nothing is transcoded.
            sub_operation: the C-GET or C-MOVE that it is a sub-operation of.

        Returns:
            The origin's answer, whatever its status.

        Raises:
            OperationFailed: 0117 for a UID that fits no command (the origin would store it under a cut one),
                0122 or C122 where the origin accepted no context for this pair, because of the SOP class or
                of the transfer syntax. The association stays good.
            OriginError: the association failed.
        """
        if not 0 < len(sop_instance_uid) <= LONGEST_UID or len(sop_class_uid) > LONGEST_UID:
            raise failure(INVALID_SOP_INSTANCE, Operation.C_STORE, self.peer.origin)
        with self._exchange.operation(Operation.C_STORE, sop_class_uid, transfer_syntax_uid) as (
            running,
            current,
        ):
            request = C_STORE()
            request.AffectedSOPInstanceUID = sop_instance_uid
            if sub_operation is not None:
                request.Priority = sub_operation.priority
                request.MoveOriginatorApplicationEntityTitle = sub_operation.move_originator
                request.MoveOriginatorMessageID = sub_operation.message_id
            sent = Outgoing(data)
            try:
                running.request(request, sent)
            finally:
                count_data(Role.SCU, self._connection.told_as, sent.size)
            response, status = running.response(C_STORE)
            tell_status(current, status)
            return StoreResult(status, response.ErrorComment or "")

    def report_event(
        self, sop_class_uid: str, sop_instance_uid: str, event_type: int, information: Dataset
    ) -> int:
        """Tell the peer of an event (PS3.7 10.1.1), as the provider of the service.

        Args:
            sop_class_uid: what provides it; also the abstract syntax.
            sop_instance_uid: the instance that the event is of.
            event_type: Event Type ID.
            information: Event Information.

        Returns:
            The status of the answer, whatever it is.

        Raises:
            NoAcceptedContext: the peer does not take the SOP class.
            OriginError: the association failed.
        """
        with self._exchange.operation(Operation.N_EVENT_REPORT, sop_class_uid) as (running, current):
            request = N_EVENT_REPORT()
            request.AffectedSOPInstanceUID = sop_instance_uid
            request.EventTypeID = event_type
            request.EventInformation = encode_identifier(information, running.context.transfer_syntax_uid)
            running.request(request)
            _, status = running.response(N_EVENT_REPORT)
            tell_status(current, status)
            return status

    def cancel(self) -> None:
        """Send a C-CANCEL (PS3.7 9.3.2.3) for the operation that runs; does nothing if none does."""
        self._exchange.cancel()

    def heard(self) -> None:
        """Say that the origin is alive: its time-out of silence starts anew."""
        self._connection.heard()

    def release(self) -> None:
        """Release the association (PS3.8 7.2), or abort it where that is not possible."""
        self._connection.release()

    def interrupt(self) -> None:
        """Begin to abort, without blocking; the operation that runs raises `AssociationAborted`."""
        self._connection.interrupt()

    def abort(self) -> None:
        """Abort the association, and wait until the operation that runs in another thread has ended."""
        self._connection.abort()
        self._exchange.idle.wait()

    def _take(self, running: Running, request: C_STORE, context_id: int, on_instance: OnInstance) -> None:
        """Hand a sub-operation's instance over, and answer it (PS3.7 9.1.1.1)."""
        syntaxes = {context.context_id: context.transfer_syntax_uid for context in self.accepted}
        if context_id not in syntaxes:
            raise AssociationAborted(
                "The origin used a context that was not accepted", origin=self.peer.origin
            )
        response = C_STORE()
        response.MessageIDBeingRespondedTo = request.MessageID
        response.AffectedSOPClassUID = request.AffectedSOPClassUID
        response.AffectedSOPInstanceUID = request.AffectedSOPInstanceUID
        data = received_dataset(request.DataSet)
        count_data(Role.SCP, self._connection.told_as, data.size)
        told: dict[str, AttributeValue] = {DICOM_ORIGIN: self.peer.origin, DICOM_SIZE: data.size}
        with (
            measured(Operation.C_STORE, Role.SCP, self._connection.told_as) as ended,
            span(Operation.C_STORE, told, kind=SpanKind.SERVER) as current,
        ):
            response.Status = ended.status = on_instance(
                ReceivedInstance(
                    data,
                    syntaxes[context_id],
                    str(request.AffectedSOPClassUID or ""),
                    str(request.AffectedSOPInstanceUID or ""),
                )
            )
            tell_status(current, ended.status)
        running.respond(response, context_id)


def _responses(running: Running) -> Generator[tuple[C_FIND, int], None, None]:
    """Give the responses to the final one; closed before that, cancel and drop what still comes."""
    try:
        while running.unfinished:
            yield running.response(C_FIND)
    except GeneratorExit:
        if running.unfinished:
            running.cancel()
            with suppress(OriginError):  # then the association is aborted, and who reads has what was wanted
                while running.unfinished:
                    running.response(C_FIND)
        raise


def _sub_operations(response: C_GET | C_MOVE, status: int, context: Accepted) -> SubOperations:
    identifier = response.Identifier.getvalue() if response.Identifier else b""
    return SubOperations(
        status,
        response.NumberOfCompletedSuboperations,
        response.NumberOfFailedSuboperations,
        response.NumberOfWarningSuboperations,
        response.NumberOfRemainingSuboperations,
        failed_sop_instance_uids(identifier, context.transfer_syntax_uid),
        response.ErrorComment or "",
    )


def _finish(running: Running, result: SubOperations, current: Span) -> SubOperations:
    """Note the end in the span; raise it only where it is our own cancellation."""
    tell_status(current, result.status)
    tell_sub_operations(current, result)
    if running.cancelled:
        running.judge(result.status)
    return result
