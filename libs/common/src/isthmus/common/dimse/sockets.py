"""All that we change of pynetdicom, in one place; each change has a test that fails when upstream changes.

- **Sockets.** Peers write the header and the body of a PDU separately, and delayed acknowledgements make each
  such exchange wait 40 ms: 88 ms for a C-FIND with one match, 3-5 ms with `TCP_NODELAY` and `TCP_QUICKACK`
  after every `recv` (the kernel takes the latter back at any time). Data are read into one buffer made in
  advance, a read or write that makes no progress ends after the association's network time-out, and a socket
  is closed whatever its state.
- **TLS.** Why it failed is kept. A record may hold nothing for us, so what came is looked at before there is
  said to be something: upstream would hang in reading, with something to send. The end is a close_notify.
- **The reactor.** Upstream looks every millisecond whether there is something to read or to send: that costs
  1 ms for each C-STORE, and 1,000 wake-ups a second for each association that does nothing. Here it waits for
  both in `ready`, and `send_pdu` wakes it.
- **PDUs.** What is encoded already, `EncodedPdus`, goes out as it is, many PDUs by one write.
- **Waiting for messages.** Upstream's acceptor looks every millisecond for one; here it waits for them in
  `wait_for_messages`.
- **Messages that wait.** From a requestor that does not wait for responses no more is read than `BACKLOG`
  messages in advance: its own buffers fill up then, not ours.
- **UIDs.** Over-long UIDs are received as they are: upstream aborts the association, or never answers.
- **Move Destinations.** What is no AE title is received as it is, and what is blank as if it were not there:
  upstream aborts the association.
- **Priorities.** What is none of the three is received as if it were not there, and no other archive minds:
  upstream aborts the association.
- **Large data sets.** They go into a file as they come: see `spill`.
- **Fragments.** What breaks the rules of PS3.8 Annex E ends the association: see `incoming`.
- **Exceptions** in the upper layer's thread end the association, with an A-ABORT: see `upper_layer`.
- **Responses of C-STORE** that tell of a success are encoded by us: see `answers`.
- **Requests** that nobody serves get an answer, where upstream gives none or aborts: see `unserved`.
- **Query/Retrieve** requests on associations that we accepted are answered by us: see `provided`.
- **Requests of our own** on associations that we accepted go out in turn: see `in_turn`.
- **Logs.** pynetdicom logs identifiers and UIDs, pydicom's warnings quote values: neither may say a word.
"""

import logging
import math
import queue
import select
import socket
import ssl
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

import pydicom.config
import pynetdicom.ae
import pynetdicom.association
import pynetdicom.dimse
import pynetdicom.fsm
import pynetdicom.transport
from pydicom.uid import UID
from pynetdicom import _config
from pynetdicom.dimse_primitives import C_MOVE, DIMSEPrimitive
from pynetdicom.dul import DULServiceProvider
from pynetdicom.pdu import P_DATA_TF
from pynetdicom.pdu_primitives import A_ABORT, A_P_ABORT, A_RELEASE, P_DATA
from pynetdicom.transport import T_CONNECT, AddressInformation, AssociationSocket

from isthmus.common.dimse import answers
from isthmus.common.dimse.incoming import receive
from isthmus.common.dimse.provided import service_class
from isthmus.common.dimse.secure_socket import SecureSocket
from isthmus.common.dimse.spill import spilling_message
from isthmus.common.dimse.tls import ClientTls
from isthmus.common.dimse.tls_fault import TlsFault, fault_of, in_words
from isthmus.common.dimse.upper_layer import do_action

if TYPE_CHECKING:
    from pynetdicom.association import Association
    from pynetdicom.dimse import _QueueItem
    from pynetdicom.pdu_primitives import _PDUPrimitiveType

MAX_PDU: Final = 128 * 1024
"""The Maximum Length that we announce (PS3.8 D.1): 10-15 % faster than 16 KiB; more brings nothing."""
LONGEST_PDU: Final = 1024 * 1024
"""A PDU of more than eight times what we announce ends the connection, before memory is taken for it:
so much, and some copies of it, each association may take."""

BACKLOG: Final = 4
"""Messages of a requestor that wait for us."""

LONGEST_REST: Final = 0.02
"""Seconds that the reactor waits at most: for its timers, and for the word to end, nobody wakes it."""
MESSAGE_REST: Final = 0.02
"""Likewise for an acceptor that waits for messages: it looks then whether the reactor is still there."""
_UNCONNECTED_REST: Final = 0.001
_PDU_HEADER: Final = 6
"""Bytes that upstream reads first (PS3.8 9.3.1)."""

_QUICKACK: Final[int | None] = getattr(socket, "TCP_QUICKACK", None)  # Linux only


class TunedSocket(AssociationSocket):
    """The socket of an association, quick, bounded in time, and it knows when data last moved."""

    def __init__(
        self,
        assoc: "Association",
        client_socket: socket.socket | None = None,
        address: AddressInformation | None = None,
    ) -> None:
        super().__init__(assoc, client_socket, address)
        self.tls: ClientTls | None = None
        """TLS with whom it is to be connected to; None: in clear."""
        self.insecure = ""
        """Why TLS failed, in words; empty where it did not."""
        self.tls_fault: TlsFault | None = None
        """The same, as one of a list."""
        self.last_progress = time.monotonic()
        """When bytes last went in or out."""
        self.was_connected = client_socket is not None
        self._resting = False
        self._accepted = client_socket is not None
        self._patience = math.inf if assoc.network_timeout is None else assoc.network_timeout
        """Seconds for a PDU of a requestor: one that comes by a byte a second would never be silent."""
        self._unread = b""
        self._bell, self._push = socket.socketpair()
        self._bell.setblocking(False)
        self._push.setblocking(False)
        weakref.finalize(self, _close, self._bell, self._push)
        assoc.dul._run_loop_delay = 0  # `ready` waits
        if self.socket is not None:
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if client_socket is not None:
                self.socket.settimeout(assoc.network_timeout)

    def connect(self, primitive: T_CONNECT) -> None:
        """Connect, and bound what comes after by the network time-out, which upstream takes back here."""
        secure = None
        if self.tls is not None and self.socket is not None:
            self.socket = secure = self.tls.secure(self.socket)
        super().connect(primitive)
        if secure is not None and secure.failure is not None:
            self._note(secure.failure)
        if self._is_connected and self.socket is not None:
            self.was_connected = True
            self.last_progress = time.monotonic()
            self.socket.settimeout(self.assoc.network_timeout)

    @property
    def ready(self) -> bool:
        """Wait for something to read or to send, and tell whether there is to read; for the reactor alone."""
        connected = self.socket
        if connected is None or not self._is_connected:
            time.sleep(_UNCONNECTED_REST)  # the reactor's own rest: there is no socket to wait for
            return False
        if self._accepted and self.assoc.dimse.msg_queue.qsize() >= BACKLOG:
            return self._wait(connected, 0)
        if self._unread:
            return True
        if isinstance(connected, ssl.SSLSocket):
            there = connected.pending() or self._wait(connected, select.POLLIN)
            return bool(there) and self._has_decrypted(connected)
        return self._wait(connected, select.POLLIN)

    def _has_decrypted(self, connected: ssl.SSLSocket) -> bool:
        """Tell whether something, or the end, can be read without waiting; the first bytes are read then."""
        patience, there = connected.gettimeout(), True
        try:
            connected.settimeout(0)
            try:
                self._unread = connected.recv(_PDU_HEADER)
            except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
                there = False
            connected.settimeout(patience)
            acknowledge(connected)  # tickets among it, behind which a peer may hold its answer back
        except OSError as error:
            self._fail(error)
            return False
        if there and not self._unread and isinstance(connected, SecureSocket):
            connected.farewell()  # which ends ours too
        return there

    def _fail(self, error: OSError) -> None:
        """End the connection for the state machine (PS3.8 9.2)."""
        if isinstance(error, ssl.SSLError):
            self._note(error)
        self.event_queue.put("Evt17")

    def _note(self, error: OSError) -> None:
        """Remember why TLS failed."""
        self.insecure, self.tls_fault = in_words(error), fault_of(error)

    def _wait(self, connected: socket.socket, events: int) -> bool:
        self._resting = True  # first that, then the look: who sends does it the other way round
        try:
            busy = not (self.assoc.dul.to_provider_queue.empty() and self.event_queue.empty())
            poll = select.poll()
            poll.register(connected, events)
            poll.register(self._bell, select.POLLIN)
            found = [fd for fd, _ in poll.poll(0 if busy else LONGEST_REST * 1000)]
        except (OSError, ValueError):
            self.event_queue.put("Evt17")
            return False
        finally:
            self._resting = False
        if self._bell.fileno() in found:
            self._bell.recv(4096)
        return connected.fileno() in found

    def unread(self, data: bytes) -> None:
        """Take what somebody else has read of this socket, before anything is read of it here."""
        self._unread = data

    def rouse(self) -> None:
        """Wake the reactor if it rests: there is something to send. Any thread may call it."""
        if self._resting:
            with suppress(OSError):  # it is rung already, or closed
                self._push.send(b"\0")

    def recv(self, nr_bytes: int) -> bytearray:
        """Read `nr_bytes`, or fewer if the connection ends before.

        Raises:
            OSError: no byte for the network time-out; from a requestor, not all of them in that time; the
                connection is broken, or no PDU can be so long.
        """
        began = time.monotonic()
        connected = self.socket
        if connected is None:
            raise OSError("The socket is closed")
        if nr_bytes > LONGEST_PDU:
            raise OSError("The peer announced an impossible PDU length")
        buffer = bytearray(nr_bytes)
        done = min(nr_bytes, len(self._unread))
        buffer[:done] = self._unread[:done]
        self._unread = self._unread[done:]
        with memoryview(buffer) as view:
            while done < nr_bytes:
                try:
                    count = connected.recv_into(view[done:])
                except ssl.SSLError as error:
                    self._note(error)
                    raise
                if not count:
                    break
                done += count
                self.last_progress = time.monotonic()
                if done < nr_bytes and self._accepted and self.last_progress - began > self._patience:
                    raise OSError("The PDU does not come to its end")
                acknowledge(connected)
        del buffer[done:]
        return buffer

    def send(self, bytestream: bytes) -> None:
        """Write all of it; Evt17 (PS3.8 9.2) to the state machine if the connection does not take it."""
        connected = self.socket
        try:
            if connected is None:
                raise OSError("The socket is closed")
            with memoryview(bytestream) as view:
                done = 0
                while done < len(view):
                    done += connected.send(view[done:])
                    self.last_progress = time.monotonic()
        except OSError as error:
            self._fail(error)

    def close(self) -> None:
        """Close the connection; upstream's says nothing to who speaks TLS."""
        if isinstance(self.socket, SecureSocket):
            self.socket.farewell()
        super().close()

    def _shutdown_socket(self) -> None:
        """Shut down and close; upstream leaves a socket open that the peer has already shut down."""
        self.wake()
        if self.socket is not None:
            self.socket.close()

    def wake(self) -> None:
        """End whatever a thread waits for at this socket; any thread may call it."""
        connected = self.socket
        try:
            if connected is not None:
                connected.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # it is down already: that is what was wanted


def wait_for_messages(association: "Association") -> None:
    """Let an acceptor that is about to run wait for the next message, instead of looking for it all the time.

    What ends an association comes by another queue, and wakes it too.
    """
    messages, primitives = association.dimse.msg_queue, association.dul.to_user_queue
    get_msg, put = association.dimse.get_msg, primitives.put

    def waiting(block: bool = False) -> "_QueueItem | tuple[None, None]":
        if block:
            return get_msg(block=True)
        try:
            return messages.get(timeout=MESSAGE_REST)
        except queue.Empty:
            return None, None

    def put_and_wake(item: object, block: bool = True, timeout: float | None = None) -> None:
        put(item, block, timeout)
        if isinstance(item, A_RELEASE | A_ABORT | A_P_ABORT):
            messages.put((None, None))  # as a look that finds nothing

    association.dimse.get_msg = waiting  # type: ignore[method-assign]  # of this association alone
    primitives.put = put_and_wake  # type: ignore[method-assign]  # likewise


def heard(association: "Association") -> None:
    """Let the time-out of silence of an association begin anew: it was we who took so long."""
    association.dul._idle_timer.restart()


def acknowledge(connected: socket.socket) -> None:
    """Acknowledge what was read now, not together with what is sent next."""
    if _QUICKACK is not None:
        connected.setsockopt(socket.IPPROTO_TCP, _QUICKACK, 1)


def _close(*sockets: socket.socket) -> None:
    for one in sockets:
        one.close()


_send_pdu: Final = DULServiceProvider.send_pdu


def _send_pdu_and_rouse(self: DULServiceProvider, primitive: "_PDUPrimitiveType") -> None:
    _send_pdu(self, primitive)
    if isinstance(self.socket, TunedSocket):
        self.socket.rouse()


class EncodedPdus(P_DATA):
    """One P-DATA request of several P-DATA-TF PDUs (PS3.8 9.3.5), encoded already."""

    def __init__(self, pdus: bytes) -> None:
        super().__init__()
        self._pdus = pdus

    def encode(self) -> bytes:
        """Give them, as a PDU does."""
        return self._pdus


def _to_be_sent(primitive: P_DATA) -> P_DATA_TF | EncodedPdus:
    """Make what the state machine sends of a P-DATA request, instead of its call of the class."""
    return primitive if isinstance(primitive, EncodedPdus) else P_DATA_TF(primitive)


def _any_uid(value: UID) -> tuple[bool, str]:
    """Take every UID but an empty one; what we send ourselves is checked where it is sent."""
    return bool(value), "must not be empty"


def _set_move_destination(request: C_MOVE, value: str | None) -> None:
    """Take every Move Destination; what we send ourselves is from the settings."""
    request._move_destination = (value or "").strip("\0 ") or None


def _set_priority(request: DIMSEPrimitive, value: int | None) -> None:
    """Take a Priority, or leave it as it was where none is named; what we send ourselves is one."""
    if value in (0, 1, 2):
        request._priority = value


def install() -> None:
    """Change pynetdicom and pydicom in this process; more than once does no harm."""
    pynetdicom.transport.AssociationSocket = TunedSocket  # type: ignore[misc]  # who accepts looks there
    pynetdicom.ae.AssociationSocket = TunedSocket  # type: ignore[attr-defined]  # who requests, there
    pynetdicom.dimse.DIMSEMessage = spilling_message  # type: ignore[assignment, attr-defined]  # a message that comes begins there
    pynetdicom.dimse.DIMSEServiceProvider.receive_primitive = receive  # type: ignore[assignment]  # DT-2 and AR-6 call it
    pynetdicom.fsm.StateMachine.do_action = do_action  # type: ignore[assignment]  # the reactor calls it
    pynetdicom.dimse.DIMSEServiceProvider.send_msg = answers.send  # type: ignore[assignment]  # every service class calls it
    pynetdicom.association.uid_to_service_class = service_class  # type: ignore[attr-defined]  # who serves a request looks there
    DULServiceProvider.send_pdu = _send_pdu_and_rouse  # type: ignore[method-assign]  # what is sent wakes it
    pynetdicom.fsm.P_DATA_TF = _to_be_sent  # type: ignore[assignment, attr-defined]  # DT-1 and AR-7 call it
    _config.VALIDATORS["UI"] = _any_uid
    C_MOVE.MoveDestination = C_MOVE.MoveDestination.setter(_set_move_destination)  # type: ignore[method-assign, attr-defined]  # it is a property
    DIMSEPrimitive._Priority = DIMSEPrimitive._Priority.setter(_set_priority)  # type: ignore[method-assign, attr-defined]  # likewise
    _config.LOG_HANDLER_LEVEL = "none"
    _config.LOG_REQUEST_IDENTIFIERS = False
    _config.LOG_RESPONSE_IDENTIFIERS = False
    logging.getLogger("pynetdicom").setLevel(logging.CRITICAL + 1)
    pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE


@contextmanager
def unrestricted_storage() -> Iterator[None]:
    """Be a storage provider of every class and syntax, private and unknown ones too, in the whole process.

    An association is then accepted in 7-40 ms instead of 84-257, for no list of classes is compared.
    """
    before = _config.UNRESTRICTED_STORAGE_SERVICE
    _config.UNRESTRICTED_STORAGE_SERVICE = True
    try:
        yield
    finally:
        _config.UNRESTRICTED_STORAGE_SERVICE = before
