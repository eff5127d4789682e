"""The Query/Retrieve provider (PS3.4 C.4): who answers which request, how it is cancelled, and how it ends.

Whatever the answer of a request raises becomes a status with an Error Comment here.
"""

import asyncio
from collections.abc import Callable, Mapping
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING, Final, TypeAlias, cast
from weakref import WeakKeyDictionary

from opentelemetry.trace import Span, SpanKind
from pydicom.uid import UID
from pynetdicom import evt
from pynetdicom.association import Association
from pynetdicom.dimse_primitives import C_FIND, C_GET, C_MOVE
from pynetdicom.presentation import PresentationContext, build_context

from isthmus.common.auth import Right, acting_as
from isthmus.common.dicom.statuses import (
    CANCELLED,
    NOT_AUTHORIZED,
    OUT_OF_RESOURCES,
    SOP_CLASS_NOT_SUPPORTED,
    UNABLE_TO_PROCESS,
)
from isthmus.common.dimse import WORKLIST_FIND, Category, Operation, category, dimse_status
from isthmus.common.dimse.hosted import prefer_uncompressed
from isthmus.common.dimse.measured import Role, measured
from isthmus.common.dimse.provided import Request, provide
from isthmus.common.dimse.sockets import heard
from isthmus.common.dimse.spans import tell_status
from isthmus.common.errors import IsthmusError
from isthmus.common.telemetry import get_logger, span
from isthmus.common.telemetry.attributes import DICOM_CALLED_AE, DICOM_CALLING_AE, DICOM_ORIGIN
from isthmus.common.threads import LoopStopped
from isthmus.scp.asked import Asked, AssociationOver, Cancelled, Response, Stop
from isthmus.scp.finding.negotiated import agreed
from isthmus.scp.models import TRANSFER_SYNTAXES, Model
from isthmus.scp.normalized import Refused
from isthmus.scp.sender import IsAllowed, Sender, SenderOf

if TYPE_CHECKING:
    from pynetdicom.dimse_primitives import DimseServiceType
    from pynetdicom.events import EventHandlerType

SERVED: Final[Mapping[str, "tuple[type[DimseServiceType], ...]"]] = {
    WORKLIST_FIND: (C_FIND,),
    **{
        sop_class_uid: (kind,)
        for model in Model
        for sop_class_uid, kind in ((model.find, C_FIND), (model.move, C_MOVE), (model.get, C_GET))
    },
}
"""The operations, by SOP class."""
_RIGHTS: Final = {
    Operation.C_FIND: Right.SEARCH,
    Operation.C_MOVE: Right.RETRIEVE,
    Operation.C_GET: Right.RETRIEVE,
}
_REQUESTS: Final = frozenset({0x0010, 0x0020, 0x0021})
"""Command Fields of C-GET-RQ, C-FIND-RQ and C-MOVE-RQ (PS3.7 E.1)."""
_C_CANCEL: Final = 0x0FFF

Serve: TypeAlias = Callable[[Asked], Response]
"""Answers a request in the association's thread: sends what is pending, and gives the final response."""

log = get_logger(__name__)


class _Session:
    """What is going on over one association; the reactor's thread and the association's both look here."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._asked: Asked | None = None
        self._cancelled: set[int] = set()
        self._over = False

    def requested(self, message_id: int) -> None:
        """Note that a request came: what was cancelled under its Message ID before was another."""
        with self._lock:
            self._cancelled.discard(message_id)

    def cancelled(self, message_id: int) -> None:
        """Note a C-CANCEL, which may come while its request still waits."""
        with self._lock:
            self._cancelled.add(message_id)
            asked = self._asked
        if asked is not None and asked.message_id == message_id:
            asked.stop(Stop.CANCELLED)

    def over(self) -> None:
        """Note that the connection is closed."""
        with self._lock:
            self._over = True
            asked = self._asked
        if asked is not None:
            asked.stop(Stop.OVER)

    def begin(self, asked: Asked) -> None:
        """Note which request is being answered."""
        with self._lock:
            self._asked = asked
            cancelled, over = asked.message_id in self._cancelled, self._over
        if cancelled:
            asked.stop(Stop.CANCELLED)
        if over:
            asked.stop(Stop.OVER)

    def end(self) -> None:
        """Note that it is answered."""
        with self._lock:
            self._asked = None


class Provider:
    """Answers the C-FIND, C-MOVE and C-GET requests to origins, of all associations."""

    def __init__(
        self,
        services: Mapping[Operation, Serve],
        sender_of: SenderOf,
        is_allowed: IsAllowed,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        """Prepare.

        Args:
            services: who answers what; of the others no presentation context is accepted.
            sender_of: tells who is at the other end of an association.
            is_allowed: tells whether somebody may do something; who may not is recorded.
            loop: where `Asked.run` runs what is asked of it.
        """
        self._services = services
        self._sender_of = sender_of
        self._is_allowed = is_allowed
        self._loop = loop
        self._sessions: WeakKeyDictionary[Association, _Session] = WeakKeyDictionary()
        kinds = {Operation.C_FIND: C_FIND, Operation.C_MOVE: C_MOVE, Operation.C_GET: C_GET}
        served = {kinds[operation] for operation in services}
        self._contexts = [
            build_context(sop_class_uid, list(TRANSFER_SYNTAXES))
            for sop_class_uid, (kind,) in SERVED.items()
            if kind in served
        ]

    def handlers(self) -> "list[EventHandlerType]":
        """Give what pynetdicom is to call."""
        return [
            (evt.EVT_REQUESTED, self._associating),
            (evt.EVT_SOP_EXTENDED, self._negotiate),
            (evt.EVT_DIMSE_RECV, self._received),
            (evt.EVT_CONN_CLOSE, self._closed),
        ]

    def _associating(self, event: evt.Event) -> None:
        """Accept the presentation contexts where an origin is called; in the association's thread."""
        association = event.assoc
        sender = self._sender_of(association)
        self._sessions[association] = _Session()
        if sender.origin is not None:
            acceptor = association.acceptor
            acceptor.supported_contexts = [*acceptor.supported_contexts, *self._contexts]
            prefer_uncompressed(association)
        provide(association, partial(self._serve, sender))

    def _negotiate(self, event: evt.Event) -> dict[UID, bytes]:
        """Agree to what can be done for queries; in the association's thread."""
        if self._sender_of(event.assoc).origin is None or Operation.C_FIND not in self._services:
            return {}
        return agreed(event.app_info)

    def _received(self, event: evt.Event) -> None:
        """Hear of requests and C-CANCELs as they come; in the reactor's thread."""
        session = self._sessions.get(event.assoc)
        if session is None:
            return
        command = event.message.command_set
        field = command.get("CommandField")
        if field in _REQUESTS:
            session.requested(command.get("MessageID"))
        elif field == _C_CANCEL:
            session.cancelled(command.get("MessageIDBeingRespondedTo"))

    def _closed(self, event: evt.Event) -> None:
        session = self._sessions.get(event.assoc)
        if session is not None:
            session.over()

    def _serve(
        self, sender: Sender, association: Association, request: Request, context: PresentationContext
    ) -> None:
        asked = Asked(
            request,
            cast("int", context.context_id),
            str(context.transfer_syntax[0]),
            sender,
            association,
            self._loop,
        )
        names = {
            DICOM_ORIGIN: sender.origin.name if sender.origin is not None else "",
            DICOM_CALLING_AE: sender.calling_ae_title,
            DICOM_CALLED_AE: sender.calling.called_ae_title,
        }
        session = self._sessions[association]
        session.begin(asked)
        try:
            with span(asked.operation, names, kind=SpanKind.SERVER) as current:
                self._answer(asked, context, current)
        finally:
            session.end()
            heard(association)

    def _answer(self, asked: Asked, context: PresentationContext, current: Span) -> None:
        try:
            with measured(asked.operation, Role.SCP, asked.sender.told_as) as ended:
                response = self._response(asked, context)
                ended.status = response.status
        except AssociationOver:
            log.info("nobody waits any more", operation=asked.operation)
            return
        tell_status(current, response.status)
        _tell(asked, response)
        asked.respond(response)

    def _response(self, asked: Asked, context: PresentationContext) -> Response:
        """Have a request answered, and give its final response."""
        try:
            serve = self._admitted(asked, context)
            with acting_as(asked.sender.principal, _RIGHTS[asked.operation]):
                return serve(asked)
        except Refused as refused:
            return Response(refused.status, refused.comment)
        except Cancelled:
            return Response(CANCELLED)
        except IsthmusError as error:
            return Response(dimse_status(error, asked.operation), error.detail)
        except LoopStopped:
            return Response(OUT_OF_RESOURCES, "The gateway is stopping")
        except AssociationOver:
            raise
        except Exception:  # the edge: pynetdicom would swallow it
            log.exception("not done", operation=asked.operation)
            return Response(UNABLE_TO_PROCESS, "Internal error")

    def _admitted(self, asked: Asked, context: PresentationContext) -> Serve:
        """Give who answers a request.

        Raises:
            Refused: nobody, or not to this caller.
        """
        if asked.sender.origin is None:
            raise Refused(SOP_CLASS_NOT_SUPPORTED, "The called AE title is not that of an origin")
        if not self._is_allowed(asked.sender, _RIGHTS[asked.operation], asked.operation):
            raise Refused(NOT_AUTHORIZED, f"{asked.operation} is not allowed to this caller here")
        if UID(asked.sop_class_uid) != context.abstract_syntax:
            raise Refused(SOP_CLASS_NOT_SUPPORTED, "Not the SOP class of its presentation context")
        return self._services[asked.operation]


def _tell(asked: Asked, response: Response) -> None:
    """Write down what became of a request, with the trace in which all of it is."""
    kind, counts = category(response.status), response.counts
    if kind is Category.FAILURE:
        write, what = log.warning, "not done"
    elif kind is Category.WARNING:
        write, what = log.warning, "done in part"
    else:
        write, what = log.info, "done"
    said: dict[str, object] = {"reason": response.error_comment} if response.error_comment else {}
    if counts is not None:
        said |= {"completed": counts.completed, "failed": counts.failed, "warning": counts.warning}
    write(
        what,
        operation=asked.operation,
        called_ae_title=asked.sender.calling.called_ae_title,
        calling_ae_title=asked.sender.calling_ae_title,
        status=f"{response.status:04X}",
        **said,
    )
