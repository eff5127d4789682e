"""Requesting and ending an association, and C-ECHO."""

import socket
import struct
import threading
import time
from collections.abc import Callable

import pytest
from pynetdicom import evt
from pynetdicom.association import Association as Requested
from pynetdicom.dul import DULServiceProvider
from pynetdicom.fsm import StateMachine
from pynetdicom.transport import AddressInformation

from isthmus.common.dimse import VERIFICATION, Association, Context, negotiation
from isthmus.common.dimse.sockets import TunedSocket
from isthmus.common.errors import (
    AssociationAborted,
    AssociationRejected,
    NoAcceptedContext,
    OperationFailed,
    OriginTimeout,
    OriginUnreachable,
)
from tests.common.dimse.acceptor import CT, aborting, acceptor, listener, on, peer, silent
from tests.waiting import PATIENCE

ESTABLISHED = "Sta6"  # PS3.8 9.2.1


def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(OriginUnreachable, match=f"No connection to 127.0.0.1:{port}"):
        Association.open(peer(port), [VERIFICATION])


def test_the_host_has_no_address() -> None:
    with pytest.raises(OriginUnreachable, match=r"nowhere\.invalid"):
        Association.open(peer(104, host="nowhere.invalid"), [VERIFICATION])


def test_the_peer_rejects_us_and_says_why() -> None:
    with acceptor() as good, pytest.raises(AssociationRejected, match="Called AE title not recognised"):
        Association.open(peer(good.port, called="OTHER"), [VERIFICATION])


def test_who_hears_of_it_before_the_upper_layer_has_changed_its_state_waits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As where the machine is busy just then: the confirmation is issued first (PS3.8 9.2.2, AE-3)."""
    change, join = StateMachine.transition, DULServiceProvider.join
    waits = threading.Event()

    def late(machine: StateMachine, state: str) -> None:
        if state == ESTABLISHED and machine.dul.assoc.is_requestor:
            waits.wait(PATIENCE)
        change(machine, state)

    def seen(upper_layer: DULServiceProvider, timeout: float | None = None) -> None:
        waits.set()
        join(upper_layer, timeout)

    with acceptor() as good:
        monkeypatch.setattr(StateMachine, "transition", late)
        monkeypatch.setattr(DULServiceProvider, "join", seen)
        opened = Association.open(good, [VERIFICATION])
        monkeypatch.undo()
        assert opened.echo() < 5
        opened.release()


class Late(threading.Event):
    """Wakes who waits for the connection when that is over, as a busy machine may."""

    def __init__(self) -> None:
        super().__init__()
        self.over = threading.Event()

    def wait(self, timeout: float | None = None) -> bool:
        return self.over.wait(timeout)


class SeenLate(TunedSocket):
    """A connection that is seen when it is over."""

    def __init__(
        self,
        assoc: Requested,
        client_socket: socket.socket | None = None,
        address: AddressInformation | None = None,
    ) -> None:
        super().__init__(assoc, client_socket, address)
        self._ready = self._late = Late()

    def close(self) -> None:
        super().close()
        self._late.over.set()


def test_the_peer_rejects_us_before_we_have_seen_that_it_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(negotiation, "TunedSocket", SeenLate)
    with acceptor() as good, pytest.raises(AssociationRejected, match="Called AE title not recognised"):
        Association.open(peer(good.port, called="OTHER"), [VERIFICATION])


def test_the_peer_accepts_nothing_of_what_is_proposed() -> None:
    with acceptor() as good, pytest.raises(NoAcceptedContext):
        Association.open(good, [Context(CT, ("1.2.840.10008.1.2",))])


def test_the_peer_says_nothing() -> None:
    began = time.monotonic()
    with listener(silent) as quiet, pytest.raises(OriginTimeout):
        Association.open(quiet, [VERIFICATION])
    assert time.monotonic() - began < 10


def test_the_peer_falls_silent_in_the_middle_of_its_answer() -> None:
    began = time.monotonic()
    with (
        listener(lambda connection: connection.sendall(b"\x02\x00\x00\x00")) as quiet,
        pytest.raises(OriginTimeout),
    ):
        Association.open(quiet, [VERIFICATION])
    assert time.monotonic() - began < 10


def test_the_peer_hangs_up() -> None:
    with (
        listener(lambda connection: connection.shutdown(socket.SHUT_RDWR), timeout=5) as rude,
        pytest.raises(AssociationAborted),
    ):
        Association.open(rude, [VERIFICATION])


def test_the_peer_is_no_dicom() -> None:
    with (
        listener(
            lambda connection: connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n"), timeout=5
        ) as web,
        pytest.raises(AssociationAborted),
    ):
        Association.open(web, [VERIFICATION])


def accepting(*contexts: bytes) -> Callable[[socket.socket], None]:
    """Answer with an A-ASSOCIATE-AC of these presentation context items (PS3.8 9.3.3)."""

    def item(kind: int, value: bytes) -> bytes:
        return struct.pack(">BBH", kind, 0, len(value)) + value

    results = b"".join(item(0x21, context) for context in contexts)
    user = item(0x50, item(0x51, struct.pack(">L", 16384)) + item(0x52, b"1.2.3"))
    body = struct.pack(">HH", 1, 0) + bytes(64) + item(0x10, b"1.2.840.10008.3.1.1.1") + results + user
    return lambda connection: connection.sendall(struct.pack(">BBL", 2, 0, len(body)) + body)


SYNTAX = b"\x40\0\0\x11" + b"1.2.840.10008.1.2"


@pytest.mark.parametrize(
    "context",
    [b"\x02\0\0\0" + SYNTAX, b"\x01\0\0\0\x40\0\0\x66" + b"1." + b"2" * 100],
    ids=["an even number", "a syntax that is too long"],
)
def test_an_answer_that_nobody_understands_ends_the_negotiation_at_once(context: bytes) -> None:
    before = threading.active_count()
    with listener(accepting(context), timeout=20) as odd:
        began = time.monotonic()
        with pytest.raises(AssociationAborted):
            Association.open(odd, [VERIFICATION])
        assert time.monotonic() - began < 10
    assert threading.active_count() == before


def test_a_context_that_is_accepted_without_a_transfer_syntax_is_none() -> None:
    with listener(accepting(b"\x01\0\0\0"), timeout=5) as odd:
        opened = Association.open(odd, [VERIFICATION])
        assert opened.accepted == ()
        with pytest.raises(NoAcceptedContext):
            opened.echo()
        opened.abort()


def test_the_accepted_contexts_are_known() -> None:
    with acceptor(classes=[CT, "1.2.840.10008.1.1"]) as good:
        opened = Association.open(good, [VERIFICATION, Context("1.2.3", ("1.2.840.10008.1.2",))])
        assert [(item.context_id, item.abstract_syntax) for item in opened.accepted] == [
            (1, "1.2.840.10008.1.1")
        ]
        opened.release()


def test_a_failed_echo_carries_its_status() -> None:
    with acceptor(on(evt.EVT_C_ECHO, lambda _: 0x0122)) as good:
        opened = Association.open(good, [VERIFICATION])
        with pytest.raises(OperationFailed) as caught:
            opened.echo()
        assert caught.value.status == 0x0122
        assert opened.alive
        opened.release()


def test_an_echo_without_its_context() -> None:
    with acceptor(classes=[CT]) as good:
        opened = Association.open(good, [Context(CT, ("1.2.840.10008.1.2",))])
        with pytest.raises(NoAcceptedContext):
            opened.echo()
        assert opened.alive
        opened.release()


def test_an_echo_tells_how_long_it_took() -> None:
    with acceptor() as good:
        opened = Association.open(good, [VERIFICATION])
        assert 0 < opened.echo() < 5
        opened.release()


def test_an_abort_by_the_peer_is_seen_without_asking() -> None:
    with acceptor(on(evt.EVT_C_ECHO, aborting)) as rude:
        opened = Association.open(rude, [VERIFICATION])
        with pytest.raises(AssociationAborted):
            opened.echo()
        assert not opened.alive


def test_a_released_association_is_not_alive() -> None:
    with acceptor() as good:
        opened = Association.open(good, [VERIFICATION])
        assert opened.alive
        opened.release()
        assert not opened.alive
        with pytest.raises(AssociationAborted):
            opened.echo()


def test_release_and_abort_may_come_more_than_once() -> None:
    with acceptor() as good:
        opened = Association.open(good, [VERIFICATION])
        opened.abort()
        opened.release()
        opened.abort()
        assert not opened.alive


def test_an_abort_is_quick() -> None:
    with acceptor() as good:
        opened = Association.open(good, [VERIFICATION])
        began = time.monotonic()
        opened.abort()
        assert time.monotonic() - began < 5
