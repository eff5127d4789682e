"""C-STORE sub-operations that send an instance's bytes exactly as they are in its file."""

import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO

from pydicom.uid import UID
from pynetdicom import AE, build_context, evt
from pynetdicom.association import Association
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.presentation import PresentationContext

from tests.pacs.archive import Instance
from tests.peers import Peer

CONTEXTS = 128
"""The most that an association can have (PS3.8 9.3.2.2)."""

OUT_OF_RESOURCES = 0xA702
NO_CONTEXT = 0x0122


class Sender:
    """Sends over an association on which we are the SCU of C-STORE; its reactor must be paused."""

    def __init__(self, assoc: Association) -> None:
        self._assoc = assoc
        self._message_id = 0
        self._broken = False

    def send(self, instance: Instance, *, originator: tuple[str, int] | None = None) -> int | None:
        """Send one instance.

        Args:
            instance: what to send.
            originator: the AE title and Message ID of the C-MOVE (PS3.7 9.1.1.1).

        Returns:
            The status of the response; 0122 where no presentation context is for this class in this transfer
            syntax; None where no response came, to this instance or to one before it.
        """
        if self._broken:
            return None
        context_id = self._context_id(instance)
        if context_id is None:
            return NO_CONTEXT
        self._message_id = self._message_id % 65535 + 1
        request = C_STORE()
        request.MessageID = self._message_id
        request.AffectedSOPClassUID = UID(instance.sop_class_uid)
        request.AffectedSOPInstanceUID = UID(instance.sop_instance_uid)
        request.Priority = 2
        if originator is not None:
            request.MoveOriginatorApplicationEntityTitle, request.MoveOriginatorMessageID = originator
        request.DataSet = BytesIO(instance.data)
        self._assoc.dimse.send_msg(request, context_id)
        _, response = self._assoc.dimse.get_msg(block=True)
        if isinstance(response, C_STORE):
            return response.Status
        self._broken = True
        return None

    def _context_id(self, instance: Instance) -> int | None:
        for context in self._assoc.accepted_contexts:
            same = (context.abstract_syntax, context.transfer_syntax[0])
            if same == (instance.sop_class_uid, instance.transfer_syntax) and self._may_send(context):
                return context.context_id
        return None

    def _may_send(self, context: PresentationContext) -> bool:
        """Whether we are SCU in it; as the acceptor only where a role item says so (PS3.7 D.3.3.4)."""
        if self._assoc.is_requestor:
            return True
        role = self._assoc.requestor.role_selection.get(UID(context.abstract_syntax or ""))
        return role is not None and bool(role.scp_role)


@contextmanager
def sender_to(destination: Peer, calling: str, instances: Sequence[Instance]) -> Iterator[Sender | None]:
    """An association of our own to the destination of a C-MOVE, with a context for each class and syntax.

    Yields:
        None where the destination does not accept it.
    """
    pairs = sorted({(instance.sop_class_uid, instance.transfer_syntax) for instance in instances})
    ae = AE(calling)
    ae.requested_contexts = [build_context(*pair) for pair in pairs[:CONTEXTS]]
    assoc = ae.associate(
        destination.host,
        destination.port,
        ae_title=destination.ae_title,
        evt_handlers=[(evt.EVT_CONN_OPEN, send_at_once)],
    )
    if not assoc.is_established:
        yield None
        return
    _pause(assoc)
    try:
        yield Sender(assoc)
    except BaseException:
        assoc.abort()
        raise
    assoc._reactor_checkpoint.set()
    assoc.release()


def send_at_once(event: evt.Event) -> None:
    """Handles EVT_CONN_OPEN: without this each instance waits 40 ms for a delayed acknowledgement."""
    connection = event.assoc.dul.socket
    if connection is not None and connection.socket is not None:
        connection.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _pause(assoc: Association) -> None:
    # pynetdicom's own senders do the same; there is no event for it.
    assoc._reactor_checkpoint.clear()
    pause = threading.Event()
    while not assoc._is_paused:
        pause.wait(0.0001)
