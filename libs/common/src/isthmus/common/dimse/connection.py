"""Messages over one association: sending with back-pressure, receiving with patience, all ways to end it.

One thread at a time sends requests and receives; `interrupt`, `heard` and `send` of a message that fits one
PDU (a C-CANCEL) may come from any other thread meanwhile.
"""

import queue
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Final, Self, TypeAlias, cast

from pynetdicom.association import Association as Negotiated
from pynetdicom.dimse_messages import (
    C_CANCEL_RQ,
    C_ECHO_RQ,
    C_FIND_RQ,
    C_GET_RQ,
    C_MOVE_RQ,
    N_EVENT_REPORT_RQ,
    DIMSEMessage,
)
from pynetdicom.dimse_primitives import C_CANCEL, C_ECHO, C_FIND, C_GET, C_MOVE, C_STORE, N_EVENT_REPORT
from pynetdicom.pdu_primitives import P_DATA

from isthmus.common.dimse.commands import PDV_OVERHEAD, fragments, store_request, store_response
from isthmus.common.dimse.contexts import Context
from isthmus.common.dimse.negotiation import Accepted, negotiate, refused_syntaxes
from isthmus.common.dimse.pdus import Readable, data_set_pdus
from isthmus.common.dimse.peer import Peer
from isthmus.common.dimse.sockets import MAX_PDU, EncodedPdus, TunedSocket
from isthmus.common.errors import AssociationAborted, OriginCancelled, OriginTimeout

Message: TypeAlias = C_ECHO | C_FIND | C_GET | C_MOVE | C_STORE | N_EVENT_REPORT

SLICE: Final = 0.25
"""Seconds between looks at whether the association is still there."""
RUN_BYTES: Final = 128 * 1024
"""Of a data set that goes out by one write, in as many PDUs as the peer wants."""
QUEUED: Final = 8
"""How many such runs wait for the socket: a data set of any size takes no more memory than this."""
ABORT_GRACE: Final = 1.0
"""Seconds for an A-ABORT to go out, before the socket is closed under it."""
RELEASE_GRACE: Final = 2.0
"""Seconds for the answer to an A-RELEASE."""
_ESTABLISHED: Final = "Sta6"  # PS3.8 9.2.1
_CLOSING: Final = "Sta13"

_REQUESTS: Final[dict[type, type[DIMSEMessage]]] = {
    C_ECHO: C_ECHO_RQ,
    C_FIND: C_FIND_RQ,
    C_GET: C_GET_RQ,
    C_MOVE: C_MOVE_RQ,
    C_CANCEL: C_CANCEL_RQ,
    N_EVENT_REPORT: N_EVENT_REPORT_RQ,
}


class Connection:
    """An established association, as a way for messages."""

    def __init__(self, peer: Peer, association: Negotiated, connection: TunedSocket) -> None:
        self.peer = peer
        self.told_as: str | None = peer.origin
        """The origin's name in metrics; None where a stranger gave it."""
        self.accepted = tuple(
            Accepted(cast("int", item.context_id), str(item.abstract_syntax), str(item.transfer_syntax[0]))
            for item in association.accepted_contexts
            if item.transfer_syntax  # some accept a context, and do not say in which one
        )
        self.refused_syntaxes = refused_syntaxes(association)
        """SOP classes with transfer syntaxes that the origin did not accept for them."""
        self.received = 0
        """Messages that came."""
        self.give_up_at: float | None = None
        """Monotonic time at which waiting ends with an abort: a cancelled operation's grace."""
        self._association = association
        self._socket = connection
        self._upper_layer = association.dul
        self._sending = threading.Lock()
        self._interrupted = False
        self._released = False
        self._heard_at = time.monotonic()

    @classmethod
    def open(cls, peer: Peer, contexts: Sequence[Context], max_pdu: int = MAX_PDU) -> Self:
        """Connect and negotiate; raises what `negotiate` does."""
        return cls(peer, *negotiate(peer, contexts, max_pdu))

    @property
    def alive(self) -> bool:
        """Whether the association is established, as far as its socket tells."""
        return (
            not self._interrupted
            and not self._released
            and self._upper_layer.is_alive()
            and self._upper_layer.state_machine.current_state == _ESTABLISHED
            and self._upper_layer.peek_next_pdu() is None
        )

    def heard(self) -> None:
        """Start the peer's time-out anew: an operation begins, or it was heard in another way (C-MOVE)."""
        self._heard_at = time.monotonic()

    def send(self, message: Message | C_CANCEL, context_id: int, data: Readable | None = None) -> None:
        """Send a message; `data` is a data set, read from where it stands to its end, and sent as it is.

        Raises:
            AssociationAborted: the association is gone.
            OriginTimeout: the peer takes no more data.
        """
        limit = self._association.dimse.maximum_pdu_size or MAX_PDU  # 0 is "no limit"
        for fragment in _command(message, context_id, limit):
            self._put(fragment)
        if data is not None:
            for run in data_set_pdus(data, context_id, limit - PDV_OVERHEAD, RUN_BYTES):
                self._put(EncodedPdus(run))

    def _put(self, fragment: P_DATA) -> None:
        waiting = self._upper_layer.to_provider_queue
        while True:
            with self._sending:
                if not self.alive:
                    break
                if waiting.qsize() < QUEUED:
                    self._upper_layer.send_pdu(fragment)
                    return
            self._check_patience()
            with waiting.not_full:  # which the queue notifies of each item that is taken
                waiting.not_full.wait_for(lambda: waiting._qsize() < QUEUED, SLICE)
        raise self._lost()

    def receive(self) -> tuple[int, Message]:
        """Wait for the next message, and give the id of its presentation context with it.

        Raises:
            OriginTimeout: nothing came in or went out for the peer's time-out; the association is aborted.
            AssociationAborted: by the peer or by `interrupt`; or released by the peer, or lost.
            OriginCancelled: the grace of a cancelled operation is over; the association is aborted.
        """
        messages = self._association.dimse.msg_queue
        while True:
            self._check_grace()
            alive = self.alive  # before the look into the queue: a last message may be there already
            try:
                context_id, message = messages.get(timeout=SLICE if alive else 0)
            except queue.Empty:
                if not alive:
                    raise self._lost() from None
                self._check_patience()
                continue
            if context_id is None or message is None:
                raise self._lost()
            self.received += 1
            return context_id, cast("Message", message)

    def _check_grace(self) -> None:
        if self.give_up_at is not None and time.monotonic() >= self.give_up_at:
            self.abort()
            raise OriginCancelled(
                "The origin went on after a C-CANCEL and was aborted", origin=self.peer.origin
            )

    def _check_patience(self) -> None:
        self._check_grace()
        if self._is_silent():
            self.abort()
            raise self._timeout()

    def _is_silent(self) -> bool:
        return time.monotonic() - max(self._heard_at, self._socket.last_progress) >= self.peer.timeout

    def _timeout(self) -> OriginTimeout:
        return OriginTimeout(
            f"{self.peer.called_ae_title} was silent for {self.peer.timeout:g} s", origin=self.peer.origin
        )

    def _lost(self) -> AssociationAborted | OriginTimeout:
        by_us, silent = self._interrupted, self._is_silent()
        self.abort()
        if silent and not by_us:  # the socket gave up a write before we looked
            return self._timeout()
        reason = "was aborted by us" if by_us else "was broken off"
        return AssociationAborted(
            f"The association with {self.peer.called_ae_title} {reason}", origin=self.peer.origin
        )

    def interrupt(self) -> None:
        """Send an A-ABORT and return at once; `send` and `receive` raise `AssociationAborted` then."""
        with self._sending:
            if self._interrupted or self._released or not self._upper_layer.is_alive():
                return
            self._interrupted = True
            if self._upper_layer.state_machine.current_state != _CLOSING:
                self._association.acse.send_abort(0x00)

    def abort(self) -> None:
        """Send an A-ABORT (PS3.8 7.3) and close the connection; does nothing to one that has ended."""
        self.interrupt()
        self._upper_layer.join(ABORT_GRACE)
        self._socket.wake()  # the upper layer may hang in a read or write
        self._end()

    def release(self) -> None:
        """Release the association (PS3.8 7.2); abort it if the peer does not answer."""
        with self._sending:
            releasing = self.alive
            self._released = releasing or self._released
        if releasing:
            self._association.acse_timeout = min(RELEASE_GRACE, self.peer.timeout)
            self._association._is_paused = True  # the reactor that never ran
            self._association.release()
            self._end()
        else:
            self.abort()

    def _end(self) -> None:
        self._upper_layer.join(self.peer.timeout)
        self._upper_layer.kill_dul()
        self._socket._shutdown_socket()


def _command(message: Message | C_CANCEL, context_id: int, limit: int) -> Iterator[P_DATA]:
    """Cut the message's command set, and its Identifier if it has one, into PDUs."""
    if isinstance(message, C_STORE):
        responding = message.MessageIDBeingRespondedTo is not None
        encoded = store_response(message) if responding else store_request(message)
        return fragments(encoded, context_id, limit - PDV_OVERHEAD)
    encoder = _REQUESTS[type(message)]()
    encoder.primitive_to_message(message)
    return encoder.encode_msg(context_id, limit)
