"""An association that we accepted, where it is we who send: the sub-operations of a C-GET (PS3.4 C.4.3).

For the association's own thread, while it serves the C-GET: it reads the queue of messages itself. What comes
there meanwhile and is no answer to a sub-operation keeps its turn for afterwards.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, cast

from pydicom.uid import UID, ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom.dimse_primitives import C_STORE

from isthmus.common.dimse.association import Association
from isthmus.common.dimse.connection import Connection, Message
from isthmus.common.dimse.peer import Peer
from isthmus.common.dimse.sockets import BACKLOG, TunedSocket
from isthmus.common.errors import AssociationAborted

if TYPE_CHECKING:
    from pynetdicom.association import Association as Negotiated

_FIRST: Final = (ExplicitVRLittleEndian, ImplicitVRLittleEndian)
_RELEASED: Final = "Sta1"  # PS3.8 9.2.1


class HostedConnection(Connection):
    """The way for messages of such an association; how it ends is left to the thread that serves it."""

    def __init__(self, peer: Peer, association: "Negotiated", origin: str) -> None:
        super().__init__(peer, association, cast("TunedSocket", association.dul.socket))
        self.told_as = origin  # the peer may be any stranger
        roles = association.requestor.role_selection
        taken = {sop_class_uid for sop_class_uid, role in roles.items() if role.scp_role}
        self.accepted = tuple(context for context in self.accepted if context.abstract_syntax in taken)
        """Those in which the peer takes instances from us (SCP/SCU role selection, PS3.7 D.3.3.4)."""
        self._for_later: list[tuple[int, Message]] = []

    def receive(self) -> tuple[int, Message]:
        """Wait for the answer to a sub-operation; raises what `Connection.receive` does."""
        while True:
            context_id, message = super().receive()
            if isinstance(message, C_STORE) and message.MessageIDBeingRespondedTo is not None:
                return context_id, message
            if len(self._for_later) >= BACKLOG:
                self.abort()
                detail = f"{self.peer.called_ae_title} sends requests instead of answers"
                raise AssociationAborted(detail, origin=self.peer.origin)
            self._for_later.append((context_id, message))

    def give_back(self) -> None:
        """Let the association have what came meanwhile, in its order."""
        messages = self._association.dimse.msg_queue
        while not messages.empty():
            self._for_later.append(cast("tuple[int, Message]", messages.get(block=False)))
        for one in self._for_later:
            messages.put(one)
        self._for_later.clear()

    def interrupt(self) -> None:
        """Send an A-ABORT and return at once; `send` and `receive` raise `AssociationAborted` then."""
        with self._sending:
            if self._interrupted:
                return
            self._interrupted = True
            if self._upper_layer.state_machine.current_state != _RELEASED:
                self._association.abort(block=False)

    def abort(self) -> None:
        """Likewise: its thread closes the connection."""
        self.interrupt()


def prefer_uncompressed(association: "Negotiated") -> None:
    """Let one that is about to be accepted take instances uncompressed, where a context leaves the choice.

    Of several transfer syntaxes in one presentation context the first is accepted. What is held in another
    one can be decompressed for a client of C-GET, but not compressed in whichever way it prefers.
    """
    roles = association.requestor.role_selection
    for context in association.requestor.requested_contexts:
        role = roles.get(UID(str(context.abstract_syntax)))
        if role is not None and role.scp_role:
            syntaxes = context.transfer_syntax
            context.transfer_syntax = sorted(syntaxes, key=lambda syntax: _is_compressed(str(syntax)))


def _is_compressed(transfer_syntax_uid: str) -> int:
    """Order transfer syntaxes: Explicit VR Little Endian, Implicit VR, then as the client has them."""
    return _FIRST.index(transfer_syntax_uid) if transfer_syntax_uid in _FIRST else len(_FIRST)


@contextmanager
def hosted(association: "Negotiated", peer: Peer, origin: str) -> Iterator[Association]:
    """Send over an association that we accepted, in its own thread, for as long as the block is open.

    Args:
        association: it serves a request, and its thread does nothing else meanwhile.
        peer: who is at the other end, and how long it may be silent.
        origin: the name of the one whose instances are sent.
    """
    connection = HostedConnection(peer, association, origin)
    try:
        yield Association(connection, ())
    finally:
        connection.give_back()
