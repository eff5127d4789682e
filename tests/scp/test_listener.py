"""The listening socket: what is no request costs no thread, and whoever asks properly gets in."""

import asyncio
import select
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

import pytest

from isthmus.common.config import Origin
from isthmus.common.dimse import VERIFICATION, Association, sockets
from isthmus.common.errors import AssociationRejected
from isthmus.common.service import Parts
from isthmus.scp import listener
from isthmus.scp.admission import Admission, Rejection
from isthmus.scp.callers import Calling
from isthmus.scp.worker import Server, serving
from tests.peers import eventually
from tests.scp.conftest import INBOX, echo_at, peer, with_scp
from tests.waiting import PATIENCE


@contextmanager
def connected(server: Server, sent: bytes = b"") -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE) as connection:
        connection.sendall(sent)
        yield connection


def rest(connection: socket.socket) -> bytes:
    """Everything until the other end closes."""
    return b"".join(iter(lambda: connection.recv(4096), b""))


async def echo(server: Server) -> None:
    await asyncio.to_thread(echo_at, peer(server, called=INBOX))


def request(called: bytes = b"INBOX", calling: bytes = b"CT1", version: int = 1) -> bytes:
    """An A-ASSOCIATE-RQ for Verification (PS3.8 9.3.2)."""

    def item(kind: int, value: bytes) -> bytes:
        return struct.pack(">BBH", kind, 0, len(value)) + value

    context = item(0x20, b"\x01\0\0\0" + item(0x30, b"1.2.840.10008.1.1") + item(0x40, b"1.2.840.10008.1.2"))
    user = item(0x50, item(0x51, struct.pack(">L", 16384)) + item(0x52, b"1.2.3"))
    body = (
        struct.pack(">HH", version, 0)
        + called.ljust(16)
        + calling.ljust(16)
        + bytes(32)
        + item(0x10, b"1.2.840.10008.3.1.1.1")
        + context
        + user
    )
    return struct.pack(">BBL", 1, 0, len(body)) + body


ABORT = b"\x07\0\0\0\0\x04\0\0\0\0"


@pytest.mark.parametrize(
    "garbage",
    [
        b"GET / HTTP/1.1\r\nHost: pacs\r\n\r\n",
        b"\x00",
        b"\x16\x03\x01\x02\x00\x01",
        b"\x02\x00\x00\x00\x00\x04",
        b"\x04\x00\x00\x00\x00\x04\0\0\0\0",
        b"\x01\x00\xff\xff\xff\xff",
        b"\x01\x00\x00\x00\x00\x00",
    ],
)
async def test_what_is_no_request_is_answered_with_an_abort(server: Server, garbage: bytes) -> None:
    def run() -> bytes:
        with connected(server, garbage) as connection:
            return rest(connection)

    assert await asyncio.to_thread(run) == ABORT
    await echo(server)


async def test_a_request_that_comes_in_pieces_is_one(server: Server) -> None:
    def run() -> bytes:
        with connected(server) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for byte in request():
                connection.sendall(bytes((byte,)))
            return connection.recv(6)

    assert (await asyncio.to_thread(run))[:1] == b"\x02"


@pytest.mark.parametrize(
    ("called", "rejection"), [(b"OTHER", b"\0\x01\x01\x07"), (b"\xff\0\x01", b"\0\x01\x01\x07")]
)
async def test_a_rejection_is_on_the_wire_what_the_standard_says(
    server: Server, called: bytes, rejection: bytes
) -> None:
    def run() -> bytes:
        with connected(server, request(called)) as connection:
            return rest(connection)

    assert await asyncio.to_thread(run) == b"\x03\0\0\0\0\x04" + rejection


async def test_a_control_character_in_an_ae_title_gets_into_no_log(
    server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    def run() -> None:
        with connected(server, request(b"A\x1b[2J\nB", b"C\x07\rD\xe9")) as connection:
            rest(connection)

    await asyncio.to_thread(run)
    await echo(server)  # it is decided after that, so the log has it
    logged = capsys.readouterr().out
    assert "A?[2J?B" in logged
    assert "C??D" in logged
    assert not {"\x1b[2J", "\x07"}.intersection(logged)


async def test_an_ae_title_may_have_nuls_behind_it(server: Server) -> None:
    def run() -> bytes:
        with connected(server, request(b"INBOX".ljust(16, b"\0"), b"CT1".ljust(16, b"\0"))) as connection:
            return connection.recv(1)

    assert await asyncio.to_thread(run) == b"\x02"


async def test_who_has_no_name_is_rejected(server: Server) -> None:
    def run() -> bytes:
        with connected(server, request(calling=b"")) as connection:
            return rest(connection)

    assert await asyncio.to_thread(run) == b"\x03\0\0\0\0\x04\0\x01\x01\x03"


async def test_another_protocol_version_is_rejected(server: Server) -> None:
    def run() -> bytes:
        with connected(server, request(version=2)) as connection:
            return rest(connection)

    assert await asyncio.to_thread(run) == b"\x03\0\0\0\0\x04\0\x01\x02\x02"


async def test_of_the_protocol_version_only_the_first_bit_counts(server: Server) -> None:
    def run() -> bytes:
        with connected(server, request(version=0x8003)) as connection:
            return connection.recv(1)

    assert await asyncio.to_thread(run) == b"\x02"


async def test_a_failure_of_ours_costs_one_connection(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    decide = Admission.decide

    def failing(self: Admission, calling: Calling) -> Origin | Rejection | None:
        if calling.calling_ae_title == "CT1":
            raise RuntimeError("a mistake")
        return decide(self, calling)

    def run(server: Server) -> bytes:
        with connected(server, request()) as connection:
            return rest(connection)

    monkeypatch.setattr(Admission, "decide", failing)
    async with serving(parts) as server:
        assert await asyncio.to_thread(run, server) == b""
        await echo(server)


@pytest.mark.parametrize("sent", [b"", b"\x01", request()[:-1]])
async def test_who_never_asks_is_cut_off(parts: Parts, sent: bytes) -> None:
    def run(server: Server) -> bytes:
        with connected(server, sent) as connection:
            return rest(connection)

    async with serving(with_scp(parts, negotiation_seconds=0.2)) as server:
        assert await asyncio.to_thread(run, server) == b""
        assert server.waiting == 0


async def test_who_never_closes_after_a_rejection_is_cut_off(parts: Parts) -> None:
    async with serving(with_scp(parts, negotiation_seconds=0.2)) as server:
        with connected(server, request(b"OTHER")) as connection:
            await asyncio.to_thread(rest, connection)
            assert await asyncio.to_thread(eventually, lambda: server.waiting == 0)


async def test_2000_half_open_connections_cost_no_thread_and_keep_nobody_out(server: Server) -> None:
    def run() -> int:
        with ExitStack() as stack:
            for number in range(2000):
                stack.enter_context(connected(server, request()[: number % 100]))
            asyncio.run_coroutine_threadsafe(echo(server), loop).result(PATIENCE)
            assert server.waiting <= listener.MOST_WAITING
            return threading.active_count()

    loop = asyncio.get_running_loop()
    before = threading.active_count()
    assert await asyncio.to_thread(run) <= before + 8  # of asyncio's own pool
    await echo(server)


async def test_who_opens_many_pushes_out_himself_and_nobody_else(server: Server) -> None:
    def run() -> bytes:
        asked = request()
        with ExitStack() as stack:
            slow = stack.enter_context(connected(server, asked[:50]))
            for _ in range(listener.MOST_WAITING + 50):
                stack.enter_context(
                    socket.create_connection(("127.0.0.1", server.port), PATIENCE, ("127.0.0.2", 0))
                )
            slow.sendall(asked[50:])
            return slow.recv(1)

    assert await asyncio.to_thread(run) == b"\x02"


async def test_associations_that_are_open_stay_while_garbage_comes(server: Server) -> None:
    association = await asyncio.to_thread(Association.open, peer(server, called=INBOX), [VERIFICATION])
    with ExitStack() as stack:
        for number in range(300):
            stack.enter_context(connected(server, b"\x01" if number % 2 else b"garbage"))
        await asyncio.to_thread(association.echo)
    await asyncio.to_thread(association.release)


async def test_over_the_limit_who_comes_is_rejected_for_now_and_let_in_when_one_has_left(
    parts: Parts,
) -> None:
    async with serving(with_scp(parts, max_associations=2)) as server:
        there = peer(server, called=INBOX)
        first, second = [await asyncio.to_thread(Association.open, there, [VERIFICATION]) for _ in range(2)]
        for _ in range(3):
            with pytest.raises(AssociationRejected, match="Local limit exceeded"):
                await asyncio.to_thread(Association.open, there, [VERIFICATION])
        await asyncio.to_thread(first.echo)
        await asyncio.to_thread(first.release)
        assert await asyncio.to_thread(eventually, lambda: server.associations == 1)
        await echo(server)
        await asyncio.to_thread(second.release)


async def rejected(server: Server, calling: str) -> bool:
    """Tell whether an association is rejected for now."""
    try:
        association = await asyncio.to_thread(Association.open, peer(server, calling, INBOX), [VERIFICATION])
    except AssociationRejected as error:
        return "Local limit exceeded" in error.detail
    await asyncio.to_thread(association.release)
    return False


async def test_one_ae_title_cannot_take_the_associations_of_all(parts: Parts) -> None:
    async with serving(with_scp(parts, max_associations_per_ae_title=2)) as server:
        there = peer(server, "CT1", INBOX)
        held = [await asyncio.to_thread(Association.open, there, [VERIFICATION]) for _ in range(2)]
        assert await rejected(server, "CT1")
        assert not await rejected(server, "CT2")
        await asyncio.to_thread(held[0].release)
        assert await asyncio.to_thread(eventually, lambda: server.associations == 1)
        assert not await rejected(server, "CT1")
        await asyncio.to_thread(held[1].release)


async def test_nor_can_one_address_whatever_it_calls_itself(parts: Parts) -> None:
    def opened_from(address: str, server: Server) -> socket.socket:
        connection = socket.create_connection(("127.0.0.1", server.port), PATIENCE, (address, 0))
        connection.sendall(request(calling=b"CT9"))
        return connection

    async with serving(with_scp(parts, max_associations_per_address=2)) as server:
        held = [
            await asyncio.to_thread(Association.open, peer(server, f"CT{number}", INBOX), [VERIFICATION])
            for number in range(2)
        ]
        assert await rejected(server, "CT3")
        with opened_from("127.0.0.2", server) as other:
            assert (await asyncio.to_thread(other.recv, 1)) == b"\x02"
        for association in held:
            await asyncio.to_thread(association.release)


async def test_the_maximum_length_of_pdus_is_the_one_of_the_settings(parts: Parts) -> None:
    """PS3.8 D.1."""

    def run(server: Server) -> bytes:
        with connected(server, request()) as connection:
            length = struct.unpack(">BBL", connection.recv(6))[2]
            answer = b""
            while len(answer) < length:
                answer += connection.recv(length - len(answer))
            return answer

    async with serving(with_scp(parts, max_pdu=20_480)) as server:
        answer = await asyncio.to_thread(run, server)
    assert struct.pack(">BBHL", 0x51, 0, 4, 20_480) in answer


async def test_an_association_that_is_silent_for_too_long_is_aborted(parts: Parts) -> None:
    def run(server: Server) -> bytes:
        with connected(server, request()) as connection:
            assert connection.recv(1) == b"\x02"
            return rest(connection)

    async with serving(with_scp(parts, idle_seconds=0.3)) as server:
        assert (await asyncio.to_thread(run, server))[-10:-9] == b"\x07"
        assert await asyncio.to_thread(eventually, lambda: server.associations == 0)


async def test_a_pdu_that_goes_on_by_a_byte_at_a_time_ends_its_association(parts: Parts) -> None:
    def run(server: Server) -> None:
        with connected(server, request()) as connection:
            assert connection.recv(1) == b"\x02"
            connection.sendall(b"\x04\0\0\0\x10\0")
            with suppress(ConnectionError):
                for _ in range(200):
                    connection.sendall(b"\0")
                    if select.select([connection], [], [], 0.05)[0]:
                        return
                pytest.fail("it was taken for ten seconds")

    async with serving(with_scp(parts, idle_seconds=0.3)) as server:
        await asyncio.to_thread(run, server)
        assert await asyncio.to_thread(eventually, lambda: server.associations == 0)


@pytest.mark.parametrize("cut", [1, 6, 50])
async def test_a_pdu_that_is_cut_off_ends_its_association_and_no_other(server: Server, cut: int) -> None:
    def run() -> None:
        with connected(server, request()) as connection:
            assert connection.recv(1) == b"\x02"
            connection.sendall((b"\x04\0\0\0\x10\0" + bytes(100))[:cut])

    await asyncio.to_thread(run)
    assert await asyncio.to_thread(eventually, lambda: server.associations == 0)
    await echo(server)


async def test_garbage_inside_an_association_ends_it(server: Server) -> None:
    def run() -> bytes:
        with connected(server, request()) as connection:
            length = struct.unpack(">BBL", connection.recv(6))[2]
            while length:
                length -= len(connection.recv(length))
            connection.sendall(b"GET / HTTP/1.1\r\n\r\n")
            return rest(connection)

    assert (await asyncio.to_thread(run))[:1] == b"\x07"
    await echo(server)


@pytest.mark.parametrize("how", ["release", "abort", "close"])
async def test_the_end_of_an_association_is_seen_at_once_though_it_waits_for_messages(
    server: Server, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.setattr(sockets, "MESSAGE_REST", 60.0)
    association = await asyncio.to_thread(Association.open, peer(server, called=INBOX), [VERIFICATION])
    await asyncio.to_thread(association.echo)
    if how == "close":
        association._connection._socket._shutdown_socket()
    else:
        await asyncio.to_thread(getattr(association, how))
    assert await asyncio.to_thread(eventually, lambda: server.associations == 0)
    if how == "close":
        await asyncio.to_thread(association.abort)


async def test_an_association_that_does_nothing_costs_next_to_nothing(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    rests: list[float] = []
    sleep = time.sleep

    def counted(seconds: float) -> None:
        if threading.current_thread().name.startswith("AcceptorThread"):
            rests.append(seconds)
        sleep(seconds)

    association = await asyncio.to_thread(Association.open, peer(server, called=INBOX), [VERIFICATION])
    monkeypatch.setattr(time, "sleep", counted)
    await asyncio.to_thread(threading.Event().wait, 0.5)
    monkeypatch.undo()
    assert len(rests) < 100  # of upstream's own reactor it would be 450
    await asyncio.to_thread(association.release)
