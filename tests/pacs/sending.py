"""C-STORE sub-operations that send bytes exactly as they are in a file, unless a behaviour changes them."""

import socket
import struct
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO

from pydicom.uid import UID
from pynetdicom import AE, build_context, evt
from pynetdicom.association import Association
from pynetdicom.dimse_messages import C_STORE_RQ
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.presentation import PresentationContext

from tests.pacs.archive import Instance
from tests.pacs.behaviour import Transmission
from tests.pacs.transcode import transcoded
from tests.peers import Peer

CONTEXTS = 128
"""The most that an association can have (PS3.8 9.3.2.2)."""
PDV_OVERHEAD = 6
"""Length and context id of a PDV, and its message control header (PS3.8 D.1, E.2)."""
COMMAND = 0x01
"""The bit of a message control header that tells a command from a data set."""
MAX_PDU = 131072
POLL_SECONDS = 0.001

OUT_OF_RESOURCES = 0xA702
NO_CONTEXT = 0x0122
PATIENCE_SECONDS = 90.0
"""With whoever takes an instance: longer than our own scp tries to get it into S3."""


class Sender:
    """Sends over an association on which we are the SCU of C-STORE; its reactor must be paused."""

    def __init__(self, assoc: Association) -> None:
        self._assoc = assoc
        self._message_id = 0
        self._broken = False

    def send(self, transmission: Transmission) -> int | None:
        """Send one instance.

        Returns:
            The status of the response; 0122 where no presentation context is for this class in this transfer
            syntax; None where no response came, to this instance or to one before it.

        Raises:
            BreaksOff: in the middle of it, as the transmission says.
        """
        if self._broken:
            return None
        context = self._context(transmission)
        if context is None:
            return NO_CONTEXT
        data = transmission.data
        if transmission.transcoded:
            data = transcoded(transmission.instance.file.read_bytes(), str(context.transfer_syntax[0]))
        self._send(self._request(transmission, data), transmission, len(data), int(context.context_id or 0))
        _, response = self._assoc.dimse.get_msg(block=True)
        if isinstance(response, C_STORE):
            return response.Status
        self._broken = True
        return None

    def _request(self, transmission: Transmission, data: bytes) -> C_STORE_RQ:
        self._message_id = self._message_id % 65535 + 1
        request = C_STORE()
        request.MessageID = self._message_id
        request.AffectedSOPClassUID = UID(transmission.instance.sop_class_uid)
        request.AffectedSOPInstanceUID = UID(transmission.command_uid)
        request.Priority = 2
        ae_title, message_id = transmission.originator
        request.MoveOriginatorApplicationEntityTitle = ae_title
        request.MoveOriginatorMessageID = message_id
        request.DataSet = BytesIO(data)
        message = C_STORE_RQ()
        message.primitive_to_message(request)
        return message

    def _send(self, message: C_STORE_RQ, transmission: Transmission, size: int, context_id: int) -> None:
        limit = self._assoc.dimse.maximum_pdu_size or MAX_PDU  # 0 is "no limit"
        if transmission.fragments > 1:
            limit = min(limit, -(-size // transmission.fragments) + PDV_OVERHEAD)
        pause = threading.Event()
        sent = 0
        for fragment in message.encode_msg(context_id, limit):
            ((_, value),) = fragment.presentation_data_value_list
            if not value[0] & COMMAND:
                sent += len(value) - 1
                if sent == size and transmission.breaks_off is not None:
                    raise transmission.breaks_off
                pause.wait(transmission.fragment_seconds)
            self._assoc.dul.send_pdu(fragment)

    def _context(self, transmission: Transmission) -> PresentationContext | None:
        instance = transmission.instance
        for context in self._assoc.accepted_contexts:
            suits = transmission.transcoded or context.transfer_syntax[0] == instance.transfer_syntax
            if context.abstract_syntax == instance.sop_class_uid and suits and self._may_send(context):
                return context
        return None

    def _may_send(self, context: PresentationContext) -> bool:
        """Whether we are SCU in it; as the acceptor only where a role item says so (PS3.7 D.3.3.4)."""
        if self._assoc.is_requestor:
            return True
        role = self._assoc.requestor.role_selection.get(UID(context.abstract_syntax or ""))
        return role is not None and bool(role.scp_role)


@contextmanager
def senders_to(
    destination: Peer, calling: str, instances: Sequence[Instance], count: int
) -> Iterator[list[Sender]]:
    """Associations of our own to the destination of a C-MOVE, with a context for each class and syntax.

    Yields:
        So many; fewer, or none, where the destination does not accept them.
    """
    pairs = sorted({(instance.sop_class_uid, instance.transfer_syntax) for instance in instances})
    ae = AE(calling)
    ae.dimse_timeout = PATIENCE_SECONDS
    ae.requested_contexts = [build_context(*pair) for pair in pairs[:CONTEXTS]]
    associations: list[Association] = []
    try:
        for _ in range(count):
            assoc = ae.associate(
                destination.host,
                destination.port,
                ae_title=destination.ae_title,
                evt_handlers=[(evt.EVT_CONN_OPEN, send_at_once)],
            )
            if not assoc.is_established:
                break
            _pause(assoc)
            associations.append(assoc)
        yield [Sender(assoc) for assoc in associations]
    except BaseException:
        for assoc in associations:
            assoc.abort()
        raise
    for assoc in associations:
        assoc._reactor_checkpoint.set()
        assoc.release()


def send_at_once(event: evt.Event) -> None:
    """Handles EVT_CONN_OPEN: without this each instance waits 40 ms for a delayed acknowledgement."""
    connection = event.assoc.dul.socket
    if connection is not None and connection.socket is not None:
        connection.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def hang_up(assoc: Association, *, reset: bool) -> None:
    """Close the connection without a word of DICOM: orderly (FIN), or as when a machine dies (RST)."""
    pause = threading.Event()
    while not assoc.dul.to_provider_queue.empty():
        pause.wait(POLL_SECONDS)  # what was sent before goes out; there is no event for it
    connection = assoc.dul.socket
    if connection is None or connection.socket is None:
        return
    if reset:
        connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.socket.close()
    else:
        connection.socket.shutdown(socket.SHUT_RDWR)


def _pause(assoc: Association) -> None:
    # pynetdicom's own senders do the same; there is no event for it.
    assoc._reactor_checkpoint.clear()
    pause = threading.Event()
    while not assoc._is_paused:
        pause.wait(POLL_SECONDS)
