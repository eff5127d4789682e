"""What we change of pynetdicom, and that it is still what we changed."""

import hashlib
import inspect
import queue
import socket
import subprocess
import sys
from pathlib import Path

import pynetdicom
import pytest
from pynetdicom import acse, association, dimse, dimse_messages, dul, evt, fsm, transport
from pynetdicom.pdu_primitives import P_DATA
from pynetdicom.utils import set_uid

from isthmus.common.dimse import VERIFICATION, Association, answers, incoming, install, upper_layer
from isthmus.common.dimse import sockets as sockets_module
from isthmus.common.dimse.connection import Connection
from isthmus.common.dimse.sockets import TunedSocket
from tests.common.dimse.acceptor import acceptor

OVER_LONG = "1.2." + "3" * 70


def socket_of(opened: Association) -> socket.socket:
    connection: Connection = opened._connection
    assert connection._socket.socket is not None
    return connection._socket.socket


def test_the_pinned_version_is_installed() -> None:
    assert pynetdicom.__version__ == "3.0.4"


UPSTREAM_SOCKET = TunedSocket.__bases__[0]


@pytest.mark.parametrize(
    ("owner", "name", "digest"),
    [
        (UPSTREAM_SOCKET, "__init__", "1f0325fdef2c"),
        (UPSTREAM_SOCKET, "connect", "aeeeae413bd3"),
        (UPSTREAM_SOCKET, "close", "c726c8db5381"),
        (UPSTREAM_SOCKET, "ready", "3eb58e3d39dc"),
        (UPSTREAM_SOCKET, "recv", "6bc20a33b1b7"),
        (UPSTREAM_SOCKET, "send", "1ea8158c0b51"),
        (UPSTREAM_SOCKET, "_shutdown_socket", "e2b2628faa81"),
        (transport.RequestHandler, "_create_association", "05c8d12b7986"),
        (transport.RequestHandler, "handle", "034823fb4df3"),
        (transport.AssociationServer, "__init__", "edacb98bdfb7"),
        (association.Association, "run_reactor", "ed8bbbe3b3d6"),
        (association.Association, "_run_reactor", "f28838c5559e"),
        (dimse.DIMSEServiceProvider, "get_msg", "890e3e04283f"),
        (dul.DULServiceProvider, "__init__", "c82dafa9438d"),
        (dul.DULServiceProvider, "_is_transport_event", "8725ed03bb8f"),
        (dul.DULServiceProvider, "run_reactor", "e3a10eb3a093"),
        (dul.DULServiceProvider, "_process_recv_primitive", "4c0ebbb3e646"),
        (dul.DULServiceProvider, "_read_pdu_data", "19f2d4e38c13"),
        (dul.DULServiceProvider, "_send", "a850a7919e68"),
        (fsm, "DT_1", "82e5c5d41145"),
        (fsm, "AR_7", "9a8d68182bf5"),
        (incoming, "upstream_receive", "5f99c86b14a1"),
        (upper_layer, "upstream_action", "9a883f44c7f3"),
        (answers, "_send_upstream", "a839cf2fb469"),
        (dimse_messages.DIMSEMessage, "__init__", "b9c44307ebf2"),
        (dimse_messages.DIMSEMessage, "decode_msg", "f51c777e841a"),
        (dimse_messages.DIMSEMessage, "encode_msg", "73000c902c52"),
        (dimse_messages.DIMSEMessage, "message_to_primitive", "f8f43d34e434"),
        (dimse_messages.DIMSEMessage, "primitive_to_message", "71fd61d5997f"),
        (association.Association, "request", "928cd0e3013c"),
        (association.Association, "release", "c7d713502b77"),
        (acse.ACSE, "_negotiate_as_requestor", "507959152c58"),
        (acse.ACSE, "negotiate_release", "e66977c72923"),
    ],
)
def test_what_we_replace_or_stand_on_is_what_we_read(owner: object, name: str, digest: str) -> None:
    """A new version: read the difference, think about `sockets` and `connection`, then change the digest."""
    found = inspect.getattr_static(owner, name)
    read = found.fget if isinstance(found, property) else found
    assert read is not None
    source = inspect.getsource(read)
    assert hashlib.sha256(source.encode()).hexdigest()[:12] == digest


def test_upstream_alone_refuses_over_long_uids() -> None:
    """When this fails, the relaxation can go."""
    program = f"from pynetdicom.utils import set_uid; set_uid({OVER_LONG!r}, 'UID')"
    ended = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program], capture_output=True, check=False, text=True
    )
    assert "must not exceed 64 characters" in ended.stderr


def test_over_long_uids_pass_without_a_warning() -> None:
    install()
    assert set_uid(OVER_LONG, "UID") == OVER_LONG


def test_both_ends_send_at_once() -> None:
    accepting: queue.Queue[object] = queue.Queue()  # told a moment after the requestor has its answer
    with acceptor((evt.EVT_ACCEPTED, lambda event: accepting.put(event.assoc.dul.socket))) as peer:
        opened = Association.open(peer, [VERIFICATION])
        accepted = accepting.get(timeout=5)
        assert isinstance(accepted, TunedSocket)
        assert accepted.socket is not None
        for end in (socket_of(opened), accepted.socket):
            assert end.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            assert end.gettimeout()
        opened.release()


def test_every_read_is_acknowledged_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    options: list[tuple[int, int]] = []

    class Recorded(socket.socket):
        def setsockopt(self, level: int, option: int, value: object, *_: object) -> None:
            options.append((level, option))

    with acceptor() as peer:
        opened = Association.open(peer, [VERIFICATION])
        connection = opened._connection._socket
        original = socket_of(opened)
        connection.socket = Recorded(fileno=original.detach())
        connection.socket.settimeout(5)
        opened.echo()
        assert options.count((socket.IPPROTO_TCP, socket.TCP_QUICKACK)) >= 2
        opened.release()


def test_who_sends_does_not_wait_for_the_reactor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sockets_module, "LONGEST_REST", 60)
    with acceptor(timeout=20) as peer:
        opened = Association.open(peer, [VERIFICATION])
        assert max(opened.echo() for _ in range(10)) < 10
        monkeypatch.undo()
        opened.release()


def test_a_reactor_with_nothing_to_do_rests() -> None:
    with acceptor() as peer:
        opened = Association.open(peer, [VERIFICATION])
        reactor = opened._connection._upper_layer.native_id
        before = switches(reactor)
        opened._connection._upper_layer.join(0.3)
        assert switches(reactor) - before < 60  # 300 without
        opened.release()


def switches(thread: int | None) -> int:
    """How often a thread went to sleep until now."""
    status = Path(f"/proc/self/task/{thread}/status").read_text()
    return int(status.split("\nvoluntary_ctxt_switches:")[1].split()[0])


def test_an_impossible_pdu_length_takes_no_memory() -> None:
    with acceptor() as peer:
        opened = Association.open(peer, [VERIFICATION])
        with pytest.raises(OSError, match="impossible PDU length"):
            opened._connection._socket.recv(0xFFFFFFFF)
        opened.release()


def test_a_socket_is_closed_though_the_peer_was_first() -> None:
    with acceptor() as peer:
        opened = Association.open(peer, [VERIFICATION])
        connected = socket_of(opened)
        connected.shutdown(socket.SHUT_RDWR)
        opened.abort()
        assert connected.fileno() == -1


@pytest.mark.parametrize("state", ["Sta1", "Sta13"])
@pytest.mark.parametrize("event", ["Evt7", "Evt9", "Evt11", "Evt14", "Evt15"])
def test_what_was_still_to_be_said_when_the_peer_has_ended_the_association_is_dropped(
    event: str, state: str
) -> None:
    install()
    reactor = association.Association(pynetdicom.AE(), "requestor").dul
    reactor.state_machine.current_state = state
    reactor.to_provider_queue.put(P_DATA())
    reactor.state_machine.do_action(event)
    assert reactor.state_machine.current_state == state
    assert reactor.to_provider_queue.empty()  # else it would come again and again
