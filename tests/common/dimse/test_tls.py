"""Associations that we request with TLS (PS3.15 B.12), with peers that do it well or badly."""

import datetime
import queue
import shutil
import socket
import ssl
import struct
import threading
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from pynetdicom import evt
from pynetdicom.association import Association as Negotiated
from pynetdicom.events import EventHandlerType

from isthmus.common.dimse import VERIFICATION, Association, Peer
from isthmus.common.dimse.secure_socket import SecureSocket
from isthmus.common.errors import OriginError, OriginTimeout, OriginUnreachable, SettingsError
from tests.certificates import Authority, Identity
from tests.common.dimse.acceptor import acceptor, listener, opened
from tests.common.dimse.pki import Pki, tls_listener
from tests.peers import eventually

HOUR = datetime.timedelta(hours=1)


@pytest.fixture(scope="session")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return Pki.of(tmp_path_factory.mktemp("pki"))


def refused(peer: Peer) -> OriginError:
    with pytest.raises(OriginError) as caught:
        Association.open(peer, [VERIFICATION])
    return caught.value


def test_both_show_who_they_are(pki: Pki) -> None:
    with acceptor(tls=pki.accepting()) as pacs, opened(pki.to(pacs), [VERIFICATION]) as association:
        for _ in range(3):
            association.echo()


def test_the_newest_version_is_spoken(pki: Pki) -> None:
    with acceptor(tls=pki.accepting()) as pacs, opened(pki.to(pacs), [VERIFICATION]) as association:
        connection = association._connection._socket.socket
        assert isinstance(connection, SecureSocket)
        assert connection.version() == "TLSv1.3"
        assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_one_version_before_is_spoken_too(pki: Pki) -> None:
    context = pki.accepting()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with acceptor(tls=context) as pacs, opened(pki.to(pacs), [VERIFICATION]) as association:
        association.echo()


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_older_versions_are_not(pki: Pki) -> None:
    context = pki.accepting()
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.maximum_version = ssl.TLSVersion.TLSv1_1
    with tls_listener(context, lambda _: None) as pacs:
        failed = refused(pki.to(pacs))
    assert isinstance(failed, OriginUnreachable)
    assert "it speaks no TLS of our versions" in failed.detail


def test_without_tls_a_pacs_that_wants_it_does_not_answer(pki: Pki) -> None:
    with acceptor(tls=pki.accepting(), timeout=1) as pacs:
        refused(pacs)


def test_a_pacs_that_speaks_in_clear_is_told_nothing(pki: Pki) -> None:
    heard: list[bytes] = []

    def hear(connection: socket.socket) -> None:
        heard.append(connection.recv(4096))
        connection.sendall(b"\x07\0\0\0\0\x04\0\0\0\0")

    with listener(hear, timeout=5) as pacs:
        failed = refused(pki.to(pacs))
    assert failed.detail == f"No TLS with 127.0.0.1:{pacs.port}: it speaks no TLS"
    assert heard[0][:1] == b"\x16"
    assert b"ISTHMUS" not in heard[0]


def test_a_certificate_of_a_stranger_is_not_trusted(pki: Pki, tmp_path: Path) -> None:
    stranger = Authority(tmp_path, "stranger").signs("pacs")
    with tls_listener(pki.accepting(stranger), lambda _: None) as pacs:
        failed = refused(pki.to(pacs))
    assert "its certificate does not hold: unable to get local issuer certificate" in failed.detail


def test_without_a_file_only_the_usual_authorities_are_trusted(pki: Pki) -> None:
    with tls_listener(pki.accepting(), lambda _: None) as pacs:
        failed = refused(pki.to(pacs, ca_file=None))
    assert "its certificate does not hold" in failed.detail


def test_an_expired_certificate_is_not_trusted(pki: Pki) -> None:
    expired = pki.authority.signs("expired", since=-2 * HOUR, until=-HOUR)
    with tls_listener(pki.accepting(expired), lambda _: None) as pacs:
        failed = refused(pki.to(pacs))
    assert "its certificate does not hold: certificate has expired" in failed.detail


def test_a_certificate_for_another_host_is_not_trusted(pki: Pki) -> None:
    other = pki.authority.signs("other", hosts=("pacs.example.org",))
    with tls_listener(pki.accepting(other), lambda _: None) as pacs:
        failed = refused(pki.to(pacs))
    assert "IP address mismatch, certificate is not valid for '127.0.0.1'" in failed.detail


def test_the_name_in_its_certificate_may_be_set(pki: Pki) -> None:
    named = pki.authority.signs("named", hosts=("pacs.example.org",))
    with acceptor(tls=pki.accepting(named)) as pacs:
        with opened(pki.to(pacs, server_name="pacs.example.org"), [VERIFICATION]) as association:
            association.echo()
        failed = refused(pki.to(pacs, server_name="archive.example.org"))
    assert "Hostname mismatch, certificate is not valid for 'archive.example.org'" in failed.detail


def test_who_wants_a_certificate_of_ours_and_gets_none_says_so(pki: Pki) -> None:
    with acceptor(tls=pki.accepting()) as pacs:
        failed = refused(pki.to(pacs, certificate_file=None, key_file=None))
    assert isinstance(failed, OriginUnreachable)


@pytest.mark.parametrize("share", [0.0, 0.5])
def test_a_pacs_that_stalls_in_the_handshake_is_given_up(pki: Pki, share: float) -> None:
    def stall(connection: socket.socket) -> None:
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        incoming.write(connection.recv(16384))
        with pytest.raises(ssl.SSLWantReadError):
            pki.accepting().wrap_bio(incoming, outgoing, server_side=True).do_handshake()
        answer = outgoing.read()
        connection.sendall(answer[: int(len(answer) * share)])

    began = time.monotonic()
    with listener(stall, timeout=0.5) as pacs:
        failed = refused(pki.to(pacs))
    assert "it did not do the handshake in time" in failed.detail
    assert time.monotonic() - began < 10


def test_a_pacs_that_breaks_the_handshake_off(pki: Pki) -> None:
    def end(connection: socket.socket) -> None:
        connection.recv(16384)
        connection.shutdown(socket.SHUT_RDWR)

    with listener(end, timeout=5) as pacs:
        assert "it broke off" in refused(pki.to(pacs)).detail


def test_a_pacs_that_is_silent_after_the_handshake_times_out(pki: Pki) -> None:
    def listen(connection: ssl.SSLSocket) -> None:
        while connection.recv(4096):
            pass

    with tls_listener(pki.accepting(), listen, timeout=0.5) as pacs:
        assert isinstance(refused(pki.to(pacs)), OriginTimeout)


def test_what_is_half_a_record_keeps_nobody_from_sending(pki: Pki) -> None:
    """A record may hold nothing for us, or come in pieces: then there is nothing to read."""
    sent, finish = threading.Event(), threading.Event()

    def answer_in_pieces(connection: socket.socket) -> None:
        pdus = PieceWise(pki.accepting(), connection)
        request = pdus.read()
        pdus.write(accepting(request))
        record = pdus.record(b"\x06\0\0\0\0\x04\0\0\0\0")
        connection.sendall(record[:7])
        sent.set()
        pdus.read()  # a C-ECHO, or a request to release: what matters is that it comes
        finish.set()
        connection.sendall(record[7:])

    with listener(answer_in_pieces, timeout=20) as pacs:
        association = Association.open(pki.to(pacs), [VERIFICATION])
        assert sent.wait(10)
        association.release()
        assert finish.is_set()


def accepting(request: bytes) -> bytes:
    """Make an A-ASSOCIATE-AC of an A-ASSOCIATE-RQ for Verification (PS3.8 9.3.3)."""

    def item(kind: int, value: bytes) -> bytes:
        return struct.pack(">BBH", kind, 0, len(value)) + value

    context = item(0x21, b"\x01\0\0\0" + item(0x40, b"1.2.840.10008.1.2"))
    user = item(0x50, item(0x51, struct.pack(">L", 16384)) + item(0x52, b"1.2.3"))
    body = request[6:74] + item(0x10, b"1.2.840.10008.3.1.1.1") + context + user
    return struct.pack(">BBL", 2, 0, len(body)) + body


class PieceWise:
    """TLS whose records are in our hands."""

    def __init__(self, context: ssl.SSLContext, connection: socket.socket) -> None:
        self._connection = connection
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        while True:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                self._flush()
                self._incoming.write(connection.recv(16384))
            else:
                self._flush()
                return

    def _flush(self) -> None:
        self._connection.sendall(self._outgoing.read())

    def read(self) -> bytes:
        while True:
            try:
                return self._tls.read(65536)
            except ssl.SSLWantReadError:
                self._incoming.write(self._connection.recv(16384))

    def record(self, data: bytes) -> bytes:
        self._tls.write(data)
        return self._outgoing.read()

    def write(self, data: bytes) -> None:
        self._connection.sendall(self.record(data))


def test_nothing_is_said_in_clear_while_a_connection_is_shut_down(pki: Pki) -> None:
    ours, theirs = socket.socketpair()
    with theirs:
        heard = threading.Thread(target=PieceWise, args=(pki.accepting(), theirs))
        heard.start()
        connection = pki.tls()._context.latest().wrap_socket(ours, server_hostname="127.0.0.1")
        heard.join(10)
        connection.shutdown(socket.SHUT_RD)  # as far as who writes is concerned it is open
        connection.send(b"Doe^John")
        assert b"Doe^John" not in theirs.recv(4096)
        connection.close()
        with pytest.raises(OSError, match="Bad file descriptor"):
            connection.send(b"Doe^John")


def test_what_comes_in_clear_after_the_end_of_tls_is_not_heard(pki: Pki) -> None:
    def end_and_go_on(connection: ssl.SSLSocket) -> None:
        request = connection.recv(65536)
        connection.settimeout(0)
        with suppress(ssl.SSLWantReadError):
            connection.unwrap()
        socket.socket.send(connection, accepting(request))

    with tls_listener(pki.accepting(), end_and_go_on) as pacs:
        refused(pki.to(pacs))


def test_the_end_is_said_by_tls_too(pki: Pki) -> None:
    ended = threading.Event()

    def release(connection: ssl.SSLSocket) -> None:
        connection.sendall(accepting(connection.recv(65536)))
        assert connection.recv(65536)[:1] == b"\x05"
        connection.sendall(b"\x06\0\0\0\0\x04\0\0\0\0")
        if connection.recv(1) == b"":  # without a close_notify it would raise
            ended.set()

    with tls_listener(pki.accepting(), release, suppress_ragged_eofs=False) as pacs:
        Association.open(pki.to(pacs), [VERIFICATION]).release()
        assert ended.wait(10)


def test_an_association_that_nobody_uses_is_seen_to_end(pki: Pki) -> None:
    """So that it is not taken for one that can be used again."""
    established: queue.Queue[Negotiated] = queue.Queue()
    handler: EventHandlerType = (evt.EVT_ESTABLISHED, lambda event: established.put(event.assoc))
    with acceptor(handler, tls=pki.accepting()) as pacs, opened(pki.to(pacs), [VERIFICATION]) as ours:
        assert ours.alive
        established.get(timeout=10).abort()
        assert eventually(lambda: not ours.alive)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_an_association_goes_on_after_it_was_idle(pki: Pki, version: ssl.TLSVersion) -> None:
    context = pki.accepting()
    context.maximum_version = version
    with acceptor(tls=context) as pacs, opened(pki.to(pacs), [VERIFICATION]) as association:
        for _ in range(3):
            reactor = association._connection._upper_layer
            reactor.join(0.1)  # it rests meanwhile, and runs on
            association.echo()


@pytest.fixture
def files(pki: Pki, tmp_path: Path) -> Identity:
    """Files of our certificate and key that may be changed."""
    ours = Identity(tmp_path / "own.pem", tmp_path / "own.key")
    shutil.copy(pki.us.certificate, ours.certificate)
    shutil.copy(pki.us.key, ours.key)
    return ours


def put(there: Identity, what: Identity) -> None:
    shutil.copy(what.certificate, there.certificate)
    shutil.copy(what.key, there.key)


def test_certificates_are_read_anew_for_the_next_association(
    pki: Pki, files: Identity, tmp_path: Path
) -> None:
    stranger = Authority(tmp_path, "stranger").signs("isthmus-of-strangers")
    put(files, stranger)
    with acceptor(tls=pki.accepting()) as pacs:
        ours = pki.to(pacs, certificate_file=files.certificate, key_file=files.key)
        refused(ours)
        put(files, pki.us)
        with opened(ours, [VERIFICATION]) as association:
            association.echo()


def test_what_is_half_written_changes_nothing(
    pki: Pki, files: Identity, capsys: pytest.CaptureFixture[str]
) -> None:
    with acceptor(tls=pki.accepting()) as pacs:
        ours = pki.to(pacs, certificate_file=files.certificate, key_file=files.key)
        for broken in (b"", files.certificate.read_bytes()[:300], b"\xff\xfe"):
            files.certificate.write_bytes(broken)
            with opened(ours, [VERIFICATION]) as association:
                association.echo()
            assert capsys.readouterr().out.count("changed certificates cannot be used") == 1
        with opened(ours, [VERIFICATION]) as association:
            association.echo()
        assert "cannot be used" not in capsys.readouterr().out
        files.certificate.unlink()
        with opened(ours, [VERIFICATION]) as association:
            association.echo()
        put(files, pki.us)
        with opened(ours, [VERIFICATION]) as association:
            association.echo()
        assert "certificates read anew" in capsys.readouterr().out


def test_what_cannot_be_used_at_the_start_ends_it(pki: Pki, files: Identity) -> None:
    files.key.write_text("secret")
    with pytest.raises(SettingsError) as caught:
        pki.tls(certificate_file=files.certificate, key_file=files.key)
    assert str(caught.value).startswith(f"origin pacs: tls: key_file: {files.key}: holds no private key")
    assert "secret" not in str(caught.value)


def test_a_peer_without_tls_is_unchanged(pki: Pki) -> None:
    with acceptor() as pacs, opened(replace(pacs, tls=None), [VERIFICATION]) as association:
        association.echo()
