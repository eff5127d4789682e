"""One operation at a time over a connection: its span, its Message ID, its cancellation, and how it ends."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final, TypeVar

from opentelemetry.trace import Span, SpanKind
from pynetdicom.dimse_primitives import C_CANCEL, C_ECHO, C_FIND, C_GET, C_MOVE, C_STORE, N_EVENT_REPORT

from isthmus.common.dicom.statuses import SOP_CLASS_NOT_SUPPORTED, TRANSFER_SYNTAX_NOT_SUPPORTED
from isthmus.common.dimse.connection import Connection, Message
from isthmus.common.dimse.measured import Measured, Role, measured
from isthmus.common.dimse.negotiation import Accepted
from isthmus.common.dimse.pdus import Readable
from isthmus.common.dimse.spans import operation_attributes, tell_status
from isthmus.common.dimse.status import Category, Operation, category, failure
from isthmus.common.errors import AssociationAborted, NoAcceptedContext, OriginCancelled, OriginError
from isthmus.common.telemetry import span

CANCEL_GRACE: Final = 2.0
"""Seconds that an origin has to end an operation after a C-CANCEL; some never do, others abort after 20."""
LAST_MESSAGE_ID: Final = 0xFFFF

M = TypeVar("M", C_ECHO, C_FIND, C_GET, C_MOVE, C_STORE, N_EVENT_REPORT)


class Running:
    """The operation that runs."""

    def __init__(
        self,
        connection: Connection,
        operation: Operation,
        context: Accepted,
        message_id: int,
        ended: Measured,
    ) -> None:
        self.operation = operation
        self.context = context
        """The presentation context of the request."""
        self.message_id = message_id
        self.cancelled = False
        self.unfinished = False
        """Whether the request is out, and its final response not in."""
        self._connection = connection
        self._ended = ended
        self._lock = threading.Lock()

    def request(self, message: Message, data: Readable | None = None) -> None:
        """Send the request, and the C-CANCEL behind it that somebody wanted meanwhile."""
        message.MessageID = self.message_id
        message.AffectedSOPClassUID = self.context.abstract_syntax
        self.unfinished = True
        self._connection.send(message, self.context.context_id, data)
        with self._lock:
            if self.cancelled:
                self._send_cancel()

    def respond(self, message: C_STORE, context_id: int) -> None:
        """Answer a sub-operation."""
        self._connection.send(message, context_id)

    def receive(self) -> tuple[int, Message]:
        """Wait for a message and give its context's id with it.

        Raises:
            OriginCancelled: the association ended after `cancel` was called: origins may break off then.
            OriginError: it ended for another reason.
        """
        try:
            return self._connection.receive()
        except AssociationAborted as error:
            if not self.cancelled:
                raise
            origin = self._connection.peer.origin
            raise OriginCancelled(f"{self.operation} was cancelled, and broken off", origin=origin) from error

    def response(self, kind: type[M]) -> tuple[M, int]:
        """Wait for the next response, and give its status with it."""
        return self.expect(self.receive()[1], kind)

    def expect(self, message: Message, kind: type[M]) -> tuple[M, int]:
        """Take a message for a response to this request, and give its status with it.

        Raises:
            AssociationAborted: it is none, or one to another request, of which it must not tell how it ended;
                the association is aborted, as PS3.7 does not say what else to do.
        """
        if (
            not isinstance(message, kind)
            or message.MessageIDBeingRespondedTo != self.message_id
            or message.Status is None
        ):
            origin = self._connection.peer.origin
            raise AssociationAborted(f"The origin sent no valid {self.operation} response", origin=origin)
        if category(message.Status) is not Category.PENDING:
            self.unfinished = False
            self._ended.status = message.Status
        return message, message.Status

    def judge(self, status: int) -> None:
        """Raise what a final status is: a cancellation, a failure, or nothing."""
        kind = category(status)
        if kind in (Category.SUCCESS, Category.WARNING):
            return
        origin = self._connection.peer.origin
        if self.cancelled:
            raise OriginCancelled(f"{self.operation} was cancelled", origin=origin, status=status)
        raise failure(status, self.operation, origin)

    def cancel(self) -> None:
        """Send a C-CANCEL (PS3.7 9.3.2.3), once; the origin then has `CANCEL_GRACE` to end. Any thread.

        An origin that takes none is left no grace: the operation ends with an A-ABORT.
        """
        with self._lock:
            if not self.cancelled:
                self.cancelled = True
                if self.unfinished:
                    self._send_cancel()

    def _send_cancel(self) -> None:
        if not self._connection.peer.takes_cancel:
            self._connection.give_up_at = time.monotonic()
            return
        request = C_CANCEL()
        request.MessageIDBeingRespondedTo = self.message_id
        self._connection.give_up_at = time.monotonic() + CANCEL_GRACE
        with suppress(OriginError):  # the association is gone: whoever waits for the response is told
            self._connection.send(request, self.context.context_id)


class Exchange:
    """The operations of an association, one after the other."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._message_id = 0
        self._running: Running | None = None
        self._begins = threading.Lock()
        self.idle = threading.Event()
        """Set while no operation runs."""
        self.idle.set()

    def cancel(self) -> None:
        """Cancel the operation that runs, if one does."""
        running = self._running
        if running is not None:
            running.cancel()

    @contextmanager
    def operation(
        self, operation: Operation, sop_class_uid: str, transfer_syntax_uid: str = "", *, current: bool = True
    ) -> Iterator[tuple[Running, Span]]:
        """Run an operation; one that ends before its final response aborts the association.

        Args:
            operation: also the span's name.
            sop_class_uid: whose presentation context is taken.
            transfer_syntax_uid: which of its contexts; any by default.
            current: False for an operation that is a generator, whose span would leak into its reader.
        """
        with self._begins:
            if not self.idle.is_set():
                raise RuntimeError("An association does one operation at a time")
            self.idle.clear()
        try:
            with span(
                operation, operation_attributes(self._connection.peer), kind=SpanKind.CLIENT, current=current
            ) as started:
                self._connection.heard()
                self._message_id = self._message_id % LAST_MESSAGE_ID + 1
                context = self._context(operation, sop_class_uid, transfer_syntax_uid)
                with measured(operation, Role.SCU, self._connection.told_as) as ended:
                    self._running = Running(self._connection, operation, context, self._message_id, ended)
                    try:
                        yield self._running, started
                    except OriginError as error:
                        if error.status is not None:
                            tell_status(started, error.status)
                        raise
                    finally:
                        if self._running.unfinished:
                            self._connection.abort()
        finally:
            self._running = None
            self._connection.give_up_at = None
            self.idle.set()

    def _context(self, operation: Operation, sop_class_uid: str, transfer_syntax_uid: str) -> Accepted:
        for context in self._connection.accepted:
            if context.abstract_syntax == sop_class_uid and transfer_syntax_uid in (
                "",
                context.transfer_syntax_uid,
            ):
                return context
        origin = self._connection.peer.origin
        if operation is Operation.C_STORE:
            is_refused = (sop_class_uid, transfer_syntax_uid) in self._connection.refused_syntaxes
            status = TRANSFER_SYNTAX_NOT_SUPPORTED if is_refused else SOP_CLASS_NOT_SUPPORTED
            raise failure(status, operation, origin)
        raise NoAcceptedContext(f"The origin accepted no presentation context for {operation}", origin=origin)
