"""A destination on pynetdicom, that answers each C-STORE as told and remembers what came."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Self, cast

from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian
from pynetdicom import AE, evt
from pynetdicom.dimse_primitives import C_STORE

from tests.peers import Peer

if TYPE_CHECKING:
    from pynetdicom.transport import ThreadedAssociationServer

Answer = Callable[[int], int]
"""Gives the status for the n-th instance, from 0."""


@dataclass(frozen=True)
class Came:
    """One C-STORE."""

    sop_instance_uid: str
    transfer_syntax_uid: str
    originator: str | None
    message_id: int | None
    priority: int
    calling_ae_title: str
    data: bytes


class Receiver:
    """Listens on a free port; a context manager."""

    def __init__(
        self,
        ae_title: str = "RECEIVER",
        sop_classes: Sequence[str] = (CTImageStorage,),
        syntaxes: Sequence[str] = (ExplicitVRLittleEndian,),
    ) -> None:
        self.came: list[Came] = []
        self.associations = 0
        self.most_at_once = 0
        self.answer: Answer = lambda _: 0
        self._open = 0
        self._changed = threading.Condition()
        self.may_go_on = threading.Event()
        """While it is not set no C-STORE is answered."""
        self.reached = threading.Event()
        """Set when something has come."""
        self._lock = threading.Lock()
        self._entity = AE(ae_title)
        for sop_class_uid in sop_classes:
            self._entity.add_supported_context(sop_class_uid, list(syntaxes))
        self._taken = {(name, syntax) for name in sop_classes for syntax in syntaxes}
        handlers: list[evt.EventHandlerType] = [
            (evt.EVT_REQUESTED, self._restrict),
            (evt.EVT_C_STORE, self._take),
            (evt.EVT_ESTABLISHED, self._associated),
            (evt.EVT_CONN_CLOSE, self._closed),
        ]
        started = self._entity.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
        self._server = cast("ThreadedAssociationServer", started)
        self.peer = Peer(ae_title, "127.0.0.1", int(self._server.server_address[1]))
        self.reset()

    def reset(self) -> None:
        """Forget what came, and take all again."""
        self.came.clear()
        self.associations = 0
        self.most_at_once = self._open
        self.answer = lambda _: 0
        self.may_go_on.set()
        self.reached.clear()

    def _restrict(self, event: evt.Event) -> None:
        """Leave out what is not taken: in one process with the face it would take everything too."""
        request = event.assoc.requestor.primitive
        assert request is not None
        request.presentation_context_definition_list = [
            context
            for context in request.presentation_context_definition_list
            if (context.abstract_syntax, context.transfer_syntax[0]) in self._taken
        ]

    def _associated(self, _: evt.Event) -> None:
        with self._changed:
            self.associations += 1
            self._open += 1
            self.most_at_once = max(self.most_at_once, self._open)

    def _closed(self, _: evt.Event) -> None:
        with self._changed:
            self._open -= 1
            self._changed.notify_all()

    def wait_until_closed(self) -> None:
        """Wait until no association is open."""
        with self._changed:
            assert self._changed.wait_for(lambda: self._open <= 0, 20), "still open"

    def _take(self, event: evt.Event) -> int:
        request = cast("C_STORE", event.request)
        with self._lock:
            number = len(self.came)
            self.came.append(
                Came(
                    str(request.AffectedSOPInstanceUID),
                    str(event.context.transfer_syntax),
                    request.MoveOriginatorApplicationEntityTitle,
                    request.MoveOriginatorMessageID,
                    request.Priority,
                    event.assoc.requestor.ae_title.strip(),
                    request.DataSet.getvalue() if request.DataSet is not None else b"",
                )
            )
        self.reached.set()
        self.may_go_on.wait(20)
        return self.answer(number)

    def abort(self) -> None:
        """Break off what is open."""
        for association in self._server.active_associations:
            association.abort(block=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.may_go_on.set()
        self._server.shutdown()
