"""What does not get in where TLS is spoken, what it is told, and that others go on meanwhile."""

import asyncio
import datetime
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtensionOID

from isthmus.common.bus import Bus
from isthmus.common.dimse import Peer
from isthmus.common.errors import OriginError, OriginUnreachable
from isthmus.common.service import Parts
from isthmus.scp import listener
from isthmus.scp.worker import Server
from tests.certificates import LOOPBACK, Authority, rsa_key
from tests.peers import echoscu, eventually
from tests.scp.conftest import INBOX, echo_at, peer
from tests.scp.stream import audited
from tests.scp.tls import Pki, dcmtk_peer, serving_tls, tls_peer
from tests.scp.wire import associate, read
from tests.waiting import PATIENCE

ABORT = b"\x07\0\0\0\0\x04\0\0\0\0"
HOUR = datetime.timedelta(hours=1)


@pytest.fixture(scope="session")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return Pki.of(tmp_path_factory.mktemp("pki"))


@pytest.fixture(scope="session")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """An authority that nobody here trusts."""
    return Authority(tmp_path_factory.mktemp("stranger"), "stranger")


async def refused(to: Peer) -> OriginError:
    """Fail to associate."""
    with pytest.raises(OriginError) as caught:
        await asyncio.to_thread(echo_at, to)
    return caught.value


Logged = Callable[[], str]


@pytest.fixture
def logged(capsys: pytest.CaptureFixture[str]) -> Logged:
    """Give what was logged since the last time."""
    return lambda: capsys.readouterr().out


async def test_who_shows_no_certificate_does_not_get_in(parts: Parts, pki: Pki, logged: Logged) -> None:
    async with serving_tls(parts, pki) as server:
        failed = await refused(tls_peer(server, pki.client_tls()))
        assert "it wants a certificate of ours" in failed.detail
        ended = await asyncio.to_thread(echoscu, dcmtk_peer(server), tls=pki.anonymous())
        assert ended.code != 0
    assert logged().count("it showed no certificate") == 2


async def test_a_certificate_of_another_authority_does_not_do(
    parts: Parts, pki: Pki, stranger: Authority, logged: Logged
) -> None:
    other = stranger.signs("ct1")
    async with serving_tls(parts, pki) as server:
        failed = await refused(tls_peer(server, pki.client_tls(other)))
        assert "it does not trust our certificate" in failed.detail
        ended = await asyncio.to_thread(echoscu, dcmtk_peer(server), tls=pki.options(other))
        assert ended.code != 0
    assert logged().count("its certificate does not hold: unable to get local issuer certificate") == 2


@pytest.mark.parametrize("required", [True, False])
async def test_a_certificate_of_which_its_authority_has_the_same_name_does_not_do(
    parts: Parts, pki: Pki, tmp_path_factory: pytest.TempPathFactory, required: bool
) -> None:
    forged = Authority(tmp_path_factory.mktemp("forged"), "authority", key=rsa_key("forger"))
    async with serving_tls(parts, pki, require_client_certificate=required) as server:
        await refused(tls_peer(server, pki.client_tls(forged.signs("ct1"))))


@pytest.mark.parametrize(
    ("since", "until", "reason"),
    [(-2 * HOUR, -HOUR, "certificate has expired"), (HOUR, 2 * HOUR, "certificate is not yet valid")],
)
async def test_a_certificate_out_of_its_time_does_not_do(
    parts: Parts,
    pki: Pki,
    logged: Logged,
    since: datetime.timedelta,
    until: datetime.timedelta,
    reason: str,
) -> None:
    own = pki.authority.signs("untimely", since=since, until=until)
    async with serving_tls(parts, pki) as server:
        ended = await asyncio.to_thread(echoscu, dcmtk_peer(server), tls=pki.options(own))
        assert ended.code != 0
    assert f"its certificate does not hold: {reason}" in logged()


async def test_of_our_own_that_has_expired_we_warn_and_the_port_in_clear_goes_on(
    parts: Parts, pki: Pki, logged: Logged
) -> None:
    own = pki.authority.signs("expired", since=-2 * HOUR, until=-HOUR)
    async with serving_tls(parts, pki, certificate_file=own.certificate, key_file=own.key) as server:
        warned = logged()
        assert warned.count("a certificate is out of its time") == 1
        assert f"certificate_file: {own.certificate}: has expired (" in warned
        assert "settings=scp.tls" in warned
        failed = await refused(tls_peer(server, pki.client_tls(pki.client)))
        assert "its certificate does not hold: certificate has expired" in failed.detail
        await asyncio.to_thread(echo_at, peer(server, called=INBOX))
    assert "our certificate has expired, it says" in logged()


async def test_a_certificate_that_openssl_alone_can_read_does_not_do(
    parts: Parts, pki: Pki, logged: Logged
) -> None:
    x400_address = x509.UnrecognizedExtension(
        ExtensionOID.SUBJECT_ALTERNATIVE_NAME, bytes.fromhex("3004a3023000")
    )
    own = pki.authority.signs("odd", hosts=(), extensions=[x400_address])
    async with serving_tls(parts, pki) as server:
        ended = await asyncio.to_thread(echoscu, dcmtk_peer(server), tls=pki.options(own))
        assert ended.code != 0
    assert "its certificate cannot be read" in logged()


async def test_a_key_that_is_too_short_does_not_do(parts: Parts, pki: Pki, logged: Logged) -> None:
    own = pki.authority.signs("short", key=rsa_key("short", 1024))

    def run(port: int) -> None:
        context = old_context(pki)
        context.load_cert_chain(own.certificate, own.key)
        with (
            pytest.raises(OSError, match=r"BAD_CERTIFICATE|reset|EOF"),
            tls_connection(port, context) as connection,
        ):
            connection.recv(1)

    async with serving_tls(parts, pki) as server:
        await asyncio.to_thread(run, port_of(server))
    assert "its certificate does not hold: EE certificate key too weak" in logged()


def port_of(server: Server) -> int:
    assert server.tls_port is not None
    return server.tls_port


def old_context(pki: Pki) -> ssl.SSLContext:
    """Give one with which everything goes that OpenSSL can do."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(pki.authority.certificate)
    context.set_ciphers("ALL:@SECLEVEL=0")
    return context


@contextmanager
def tls_connection(port: int, context: ssl.SSLContext) -> Iterator[ssl.SSLSocket]:
    """Connect; who does not say that it ends makes reading fail."""
    with (
        socket.create_connection((LOOPBACK, port), timeout=PATIENCE) as connection,
        context.wrap_socket(connection, server_hostname=LOOPBACK, suppress_ragged_eofs=False) as wrapped,
    ):
        yield wrapped


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
async def test_old_versions_do_not_do(
    parts: Parts, pki: Pki, logged: Logged, version: ssl.TLSVersion
) -> None:
    context = old_context(pki)
    context.minimum_version = context.maximum_version = version

    def run(port: int) -> None:
        with pytest.raises(ssl.SSLError, match="PROTOCOL_VERSION"), tls_connection(port, context):
            pass

    async with serving_tls(parts, pki, client_ca_file=None) as server:
        await asyncio.to_thread(run, port_of(server))
    assert "it speaks TLS older than 1.2" in logged()


@pytest.mark.parametrize(
    "suite",
    ["AES128-SHA", "AES256-GCM-SHA384", "ECDHE-RSA-AES256-SHA384", "ECDHE-RSA-AES128-SHA", "NULL-SHA256"],
)
async def test_suites_that_the_profile_has_not_do_not_do(
    parts: Parts, pki: Pki, logged: Logged, suite: str
) -> None:
    context = old_context(pki)
    context.set_ciphers(f"{suite}:@SECLEVEL=0")
    context.maximum_version = ssl.TLSVersion.TLSv1_2

    def run(port: int) -> None:
        with pytest.raises(ssl.SSLError, match="HANDSHAKE_FAILURE"), tls_connection(port, context):
            pass

    async with serving_tls(parts, pki, client_ca_file=None) as server:
        await asyncio.to_thread(run, port_of(server))
    assert "it has none of our cipher suites" in logged()


@pytest.mark.parametrize(
    ("version", "suites"),
    [
        (ssl.TLSVersion.TLSv1_2, "ECDHE-RSA-AES128-GCM-SHA256"),
        (ssl.TLSVersion.TLSv1_2, "ECDHE-RSA-AES256-GCM-SHA384"),
        (ssl.TLSVersion.TLSv1_3, "DEFAULT"),
    ],
)
async def test_either_version_does(parts: Parts, pki: Pki, version: ssl.TLSVersion, suites: str) -> None:
    context = old_context(pki)
    context.set_ciphers(suites)
    context.minimum_version = context.maximum_version = version
    context.load_cert_chain(pki.client.certificate, pki.client.key)

    def run(port: int) -> bytes:
        with tls_connection(port, context) as connection:
            connection.sendall(associate())
            return read(connection)[:1]

    async with serving_tls(parts, pki) as server:
        assert await asyncio.to_thread(run, port_of(server)) == b"\x02"


async def test_who_speaks_in_clear_is_told_so_in_dicom(
    parts: Parts, pki: Pki, logged: Logged, bus: Bus
) -> None:
    def run(port: int) -> bytes:
        with socket.create_connection((LOOPBACK, port), timeout=PATIENCE) as connection:
            connection.sendall(associate())
            return read(connection) + read(connection)

    async with serving_tls(parts, pki) as server:
        assert await asyncio.to_thread(run, port_of(server)) == ABORT
        ended = await asyncio.to_thread(echoscu, dcmtk_peer(server))
        assert ended.code != 0
        assert logged().count("it speaks no TLS") == 2
        records = [one for one in await audited(bus, "refused", "", 2) if one.action == "TLS handshake"]
    assert {(one.address, one.reason) for one in records} >= {(LOOPBACK, "it speaks no TLS")}


async def test_who_speaks_tls_to_the_port_in_clear_is_not_understood(
    parts: Parts, pki: Pki, logged: Logged
) -> None:
    async with serving_tls(parts, pki) as server:
        wrong = tls_peer(server, pki.client_tls(pki.client))
        failed = await refused(replace(wrong, port=server.port))
        assert isinstance(failed, OriginUnreachable)
        assert "it speaks no TLS" in failed.detail
        await asyncio.to_thread(echo_at, peer(server, called=INBOX))
    assert "it speaks TLS, on the port without" in logged()


def client_hello(pki: Pki) -> bytes:
    """The first flight of a handshake."""
    context = old_context(pki)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    with pytest.raises(ssl.SSLWantReadError):
        context.wrap_bio(incoming, outgoing, server_hostname=LOOPBACK).do_handshake()
    return outgoing.read()


async def test_handshakes_that_stall_are_cut_off_and_others_go_on(parts: Parts, pki: Pki) -> None:
    hello = client_hello(pki)

    def end_of(connection: socket.socket) -> bytes:
        return b"".join(iter(lambda: connection.recv(4096), b""))

    async with serving_tls(parts, pki, scp={"negotiation_seconds": 2.5}) as server:
        with ExitStack() as stack:
            stalled = []
            for share in (0.0, 0.1, 0.9, 1.0):
                one = socket.create_connection((LOOPBACK, port_of(server)), timeout=PATIENCE)
                stalled.append(stack.enter_context(one))
                one.sendall(hello[: int(len(hello) * share)])
            await asyncio.to_thread(echo_at, tls_peer(server, pki.client_tls(pki.client)))
            answered = [bool(await asyncio.to_thread(end_of, one)) for one in stalled]
        assert answered == [False, False, False, True]  # who has said all of it hears of us
        assert server.waiting == 0


async def test_many_that_stall_cost_no_thread_and_others_get_in(parts: Parts, pki: Pki) -> None:
    hello = client_hello(pki)
    async with serving_tls(parts, pki) as server:
        with ExitStack() as stack:
            for _ in range(listener.MOST_WAITING + 20):
                one = stack.enter_context(
                    socket.create_connection((LOOPBACK, port_of(server)), timeout=PATIENCE)
                )
                one.sendall(hello)
            assert server.associations == 0
            await asyncio.to_thread(echo_at, tls_peer(server, pki.client_tls(pki.client)))
            await asyncio.to_thread(echo_at, peer(server, called=INBOX))
            assert server.waiting <= listener.MOST_WAITING
        assert await asyncio.to_thread(eventually, lambda: server.waiting == 0)


async def test_a_handshake_that_is_cut_in_the_middle_costs_nothing(
    parts: Parts, pki: Pki, logged: Logged
) -> None:
    async with serving_tls(parts, pki) as server:
        with socket.create_connection((LOOPBACK, port_of(server)), timeout=PATIENCE) as cut:
            cut.sendall(client_hello(pki))
            assert cut.recv(1)
        assert await asyncio.to_thread(eventually, lambda: server.waiting == 0)
        await asyncio.to_thread(echo_at, tls_peer(server, pki.client_tls(pki.client)))
    assert "it broke off" in logged()


async def test_who_only_looks_whether_the_port_is_open_is_not_worth_a_word(
    parts: Parts, pki: Pki, logged: Logged
) -> None:
    async with serving_tls(parts, pki) as server:
        socket.create_connection((LOOPBACK, port_of(server)), timeout=PATIENCE).close()
        await asyncio.to_thread(echo_at, tls_peer(server, pki.client_tls(pki.client)))
    assert "handshake" not in logged()


@pytest.mark.parametrize(
    "garbage", [b"\x16", b"\x16\x03\x01\xff\xff" + b"\0" * 64, b"GET / HTTP/1.1\r\n\r\n", b"\0"]
)
async def test_garbage_is_turned_away(parts: Parts, pki: Pki, garbage: bytes) -> None:
    def run(port: int) -> None:
        with socket.create_connection((LOOPBACK, port), timeout=PATIENCE) as connection:
            connection.sendall(garbage)
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(4096):
                pass

    async with serving_tls(parts, pki) as server:
        await asyncio.to_thread(run, port_of(server))
        await asyncio.to_thread(echo_at, tls_peer(server, pki.client_tls(pki.client)))


async def test_what_is_no_request_is_answered_with_an_abort_by_tls(parts: Parts, pki: Pki) -> None:
    context = old_context(pki)
    context.load_cert_chain(pki.client.certificate, pki.client.key)

    def run(port: int) -> bytes:
        with tls_connection(port, context) as connection:
            connection.sendall(b"\x04\0\0\0\0\x04\0\0\0\0")
            return read(connection) + read(connection)

    async with serving_tls(parts, pki) as server:
        assert await asyncio.to_thread(run, port_of(server)) == ABORT


async def test_a_rejection_goes_by_tls(parts: Parts, pki: Pki) -> None:
    async with serving_tls(parts, pki) as server:
        failed = await refused(tls_peer(server, pki.client_tls(pki.client), called="OTHER"))
    assert "Called AE title not recognised" in failed.detail or "recognized" in failed.detail
