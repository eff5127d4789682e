"""The listening sockets: one thread holds all connections whose request for an association is not yet here.

Only what is admitted costs threads of its own. What is rejected, what never asks and what is no DICOM is
dealt with here, in bounded time and memory; where too many wait, one of the address with the most gives way.
Should the thread fail, the process stops, and is started again by whoever keeps it.
"""

import resource
import selectors
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Final, cast

from pynetdicom.transport import AssociationServer, RequestHandler

from isthmus.common.config import Origin
from isthmus.common.dimse.identified import Judged, UserIdentity, judge_association
from isthmus.common.dimse.sockets import TunedSocket, wait_for_messages
from isthmus.common.dimse.tls import ServerTls
from isthmus.common.dimse.unserved import refuse_unserved
from isthmus.common.service import fail
from isthmus.common.telemetry import get_logger
from isthmus.common.telemetry.attributes import ISTHMUS_REASON
from isthmus.common.telemetry.instruments import scp_associations_refused
from isthmus.scp.admission import LOCAL_LIMIT, VERSION, Rejection
from isthmus.scp.callers import Calling
from isthmus.scp.doors import Door
from isthmus.scp.greeting import Greeting, Heard
from isthmus.scp.limits import AssociationLimits
from isthmus.scp.sender import Sender
from isthmus.scp.services import SERVED

if TYPE_CHECKING:
    from pynetdicom.ae import ApplicationEntity
    from pynetdicom.association import Association
    from pynetdicom.events import EventHandlerType

MOST_WAITING: Final = 256
"""Connections whose request is not complete."""
FILES_OF_AN_ASSOCIATION: Final = 4
"""Its connection, the two ends of what wakes its thread, and a large data set."""
OTHER_FILES: Final = 256
"""Of the process: S3, NATS, and what is waiting to be collected."""
_TO_BE_ACCEPTED: Final = 512
_ACCEPTED_AT_ONCE: Final = 64
_EXHAUSTED_SECONDS: Final = 0.1
"""To wait where the process can open no more files."""

log = get_logger(__name__)


class Listener(AssociationServer):
    """Accepts connections, and starts the associations that are admitted, in pynetdicom's threads.

    Args:
        entity: what pynetdicom is to know of us.
        doors: where to listen; one at least.
        handlers: of pynetdicom's events.
        limits: how many associations at one time, and how long one may take to begin.
        decide: who may associate, and with which origin.
        judge: who is let in of those, on the association's thread; it is told of those decisions itself.
        decided: is told of each rejection, on the listener's thread.
        no_tls: is told of each handshake that failed, there too: the address that it was with, and why.
        ended: is told of each association that is over, however it ended, on the association's thread.

    Raises:
        SettingsError: an address cannot be listened on.
    """

    def __init__(
        self,
        entity: "ApplicationEntity",
        doors: Sequence[Door],
        handlers: "Sequence[EventHandlerType]",
        *,
        limits: AssociationLimits,
        decide: Callable[[Calling], Origin | Rejection | None],
        judge: Callable[[Sender, UserIdentity | None], Judged],
        decided: Callable[[Calling, Rejection | None], None],
        no_tls: Callable[[str, str], None],
        ended: Callable[[Sender], None],
    ) -> None:
        self.begun: tuple[Greeting, Sender] | None = None
        """The connection that becomes an association right now."""
        _allow_files(FILES_OF_AN_ASSOCIATION * limits.associations + MOST_WAITING + OTHER_FILES)
        self._doors = doors
        self._listening: dict[socket.socket, Door] = {}
        self._limits = limits
        self._decide = decide
        self._judge = judge
        self._decided = decided
        self._no_tls = no_tls
        self._ended = ended
        self._senders: dict[Association, Sender] = {}
        self._waiting: dict[socket.socket, Greeting] = {}
        self._stopping = False
        super().__init__(
            entity,
            (doors[0].address.host, doors[0].address.port),
            entity.ae_title,
            entity.supported_contexts,
            evt_handlers=list(handlers),
            request_handler=_Starter,
        )
        self._selector = selectors.DefaultSelector()
        self._bell, self._push = socket.socketpair()
        self._thread = threading.Thread(target=self._run, name="scp-listener", daemon=True)
        self._thread.start()

    def server_bind(self) -> None:
        """Listen at all doors, where upstream would at one; that is then the first.

        Raises:
            SettingsError: an address cannot be listened on.
        """
        cast("socket.socket", self.socket).close()
        for door in self._doors:
            self._listening[door.listen(_TO_BE_ACCEPTED)] = door
        self.socket = next(iter(self._listening))
        self.server_address = self.socket.getsockname()

    def server_activate(self) -> None:
        """Do nothing: they listen already."""

    def server_close(self) -> None:
        """Listen no more."""
        for listening in self._listening:
            listening.close()

    def port_of(self, setting: str) -> int | None:
        """Give the port that a setting says; None where it says none."""
        ports = (one.getsockname()[1] for one, door in self._listening.items() if door.setting == setting)
        return next(ports, None)

    @property
    def active_associations(self) -> "list[Association]":
        """Those that are not over."""
        return list(self._senders)

    @property
    def waiting(self) -> int:
        """How many connections have not asked for an association yet, or were sent away."""
        return len(self._waiting)

    def sender_of(self, association: "Association") -> Sender:
        """Tell who is at the other end of an association that is not over."""
        return self._senders[association]

    def shutdown(self) -> None:
        """Accept no more, and leave the associations to whoever calls."""
        self._stopping = True
        self._push.send(b"\0")
        self._thread.join()
        self._bell.close()
        self._push.close()

    def _run(self) -> None:
        try:
            self._listen()
        except Exception:  # the edge of this thread: without it nobody gets in, and nobody would notice
            log.exception("the listener has ended")
            fail()
        finally:
            self._close()

    def _close(self) -> None:
        for greeting in self._waiting.values():
            greeting.close()
        self._waiting.clear()
        self._selector.close()
        self.server_close()

    def _listen(self) -> None:
        for listening in self._listening:
            listening.setblocking(False)
            self._selector.register(listening, selectors.EVENT_READ)
        self._selector.register(self._bell, selectors.EVENT_READ)
        while not self._stopping:
            for key, _ in self._selector.select(self._until_next_deadline()):
                ready = cast("socket.socket", key.fileobj)
                if ready in self._listening:
                    self._accept(ready)
                elif (greeting := self._waiting.get(ready)) is not None:
                    self._go_on(greeting)
            now = time.monotonic()
            for greeting in [one for one in self._waiting.values() if one.deadline <= now]:
                self._send_away(greeting, "no_request")

    def _until_next_deadline(self) -> float | None:
        if not self._waiting:
            return None
        return max(0.0, min(one.deadline for one in self._waiting.values()) - time.monotonic())

    def _accept(self, listening: socket.socket) -> None:
        for _ in range(_ACCEPTED_AT_ONCE):
            try:
                connection, address = listening.accept()
            except (BlockingIOError, ConnectionError):
                return
            except OSError as error:  # no more files: those that wait give way
                log.error("cannot accept connections", error=error.strerror, waiting=len(self._waiting))
                self._drop_oldest()
                time.sleep(_EXHAUSTED_SECONDS)
                return
            self._begin(connection, address, self._listening[listening].tls)

    def _begin(
        self, connection: socket.socket, address: tuple[str | int, ...], tls: ServerTls | None
    ) -> None:
        try:
            greeting = Greeting(
                connection if tls is None else tls.secure(connection),
                address,
                self._limits.negotiation_seconds,
            )
        except OSError:  # it is broken already
            connection.close()
            return
        if len(self._waiting) >= MOST_WAITING:
            self._drop_oldest()
        self._waiting[greeting.connection] = greeting
        self._selector.register(greeting.connection, greeting.awaits)

    def _drop_oldest(self) -> None:
        """Let one give way: of the address with the most, so that who opens many keeps out himself."""
        if self._waiting:
            counts = Counter(one.address for one in self._waiting.values())
            ((most, _),) = counts.most_common(1)
            self._send_away(next(one for one in self._waiting.values() if one.address == most), "too_many")

    def _send_away(self, greeting: Greeting, reason: str) -> None:
        """Let one go that was not answered yet, or was, and does not go by itself."""
        if not greeting.is_answered:
            scp_associations_refused.add(1, {ISTHMUS_REASON: reason})
        self._drop(greeting)

    def _drop(self, greeting: Greeting) -> None:
        self._forget(greeting)
        greeting.close()

    def _forget(self, greeting: Greeting) -> None:
        del self._waiting[greeting.connection]
        self._selector.unregister(greeting.connection)

    def _go_on(self, greeting: Greeting) -> None:
        awaited = greeting.awaits
        try:
            self._hear(greeting)
            if greeting.awaits != awaited and greeting.connection in self._waiting:
                self._selector.modify(greeting.connection, greeting.awaits)
        except Exception:  # the edge of this thread: the others must not suffer
            log.exception("connection not understood", address=greeting.address)
            if greeting.connection in self._waiting:
                self._drop(greeting)

    def _hear(self, greeting: Greeting) -> None:
        heard = greeting.read()
        if heard is Heard.END:
            self._drop(greeting)
        elif heard is Heard.NO_TLS:
            self._no_tls(greeting.address, greeting.failure)
            greeting.turn_away()
        elif heard is Heard.NO_REQUEST:
            log.warning("no request for an association", address=greeting.address, reason=greeting.failure)
            scp_associations_refused.add(1, {ISTHMUS_REASON: "no_request"})
            greeting.abort()
        elif heard is Heard.REQUEST:
            self._admit(greeting)

    def _admit(self, greeting: Greeting) -> None:
        calling = greeting.calling
        origin = self._decide(calling) if greeting.take_version() else VERSION
        running = [sender.calling for sender in list(self._senders.values())]  # others end meanwhile
        if not isinstance(origin, Rejection) and self._limits.reached_for(calling, running):
            origin = LOCAL_LIMIT
        if isinstance(origin, Rejection):
            greeting.reject(origin)
            self._decided(calling, origin)
            return
        greeting.write(calling)
        self._forget(greeting)
        self._start(greeting, Sender(calling, origin))

    def _start(self, greeting: Greeting, sender: Sender) -> None:
        self.begun = greeting, sender
        try:
            self.finish_request(greeting.connection, cast("tuple[str, int]", greeting.peer))
        except Exception:  # the edge of this thread: the others must not suffer
            log.exception("association not started")
            greeting.close()
            for association in [one for one, its in self._senders.items() if its is sender]:
                self.over(association)
        finally:
            self.begun = None

    def began(self, association: "Association", sender: Sender) -> None:
        """Note an association that is about to run, and when it is over, whatever ends it."""
        wait_for_messages(association)
        refuse_unserved(association, SERVED)
        judge_association(association, partial(self._judge, sender))
        self._senders[association] = sender
        run = association.run

        def run_and_tell() -> None:
            try:
                run()
            except Exception:  # the edge of this thread: its connection and its other thread must not stay
                log.exception("association failed")
                association.abort(block=False)
                association.kill()
            finally:
                self.over(association)

        association.run = run_and_tell  # type: ignore[method-assign]  # what its thread calls

    def over(self, association: "Association") -> None:
        """Note that an association is over."""
        sender = self._senders.pop(association, None)
        if sender is not None:
            self._ended(sender)


def _allow_files(wanted: int) -> None:
    """Let the process open so many files, as far as the system allows it: by default they are 1,024."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
        if allowed < wanted:
            log.warning(
                "fewer files can be opened than all associations may need", files=allowed, need=wanted
            )


class _Starter(RequestHandler):
    """Makes pynetdicom's association of a connection whose request is read already."""

    def _create_association(self) -> "Association":
        listener = cast("Listener", self.server)
        association = super()._create_association()
        assert listener.begun is not None  # noqa: S101 - `_start` is the one who calls
        greeting, sender = listener.begun
        cast("TunedSocket", association.dul.socket).unread(bytes(greeting.received))
        listener.began(association, sender)
        return association
