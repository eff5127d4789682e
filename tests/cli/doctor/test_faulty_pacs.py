"""PACS that answer with a failure, with silence, or with something odd."""

import asyncio
import errno
import socket
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest
from pynetdicom import evt

from isthmus.cli.doctor import Cause, Patience, Side
from isthmus.common.dimse import Context
from isthmus.common.dimse import Peer as DimsePeer
from isthmus.common.dimse.connection import Connection
from isthmus.common.dimse.contexts import FIND, GET, VERIFICATION
from tests.cli.doctor.examining import black_hole, examined, pacs, wants_tls_and_says_so
from tests.common.dimse.acceptor import acceptor, on
from tests.data_sets import make_series
from tests.pacs import FaultyPacs
from tests.pacs.behaviour import Behaviour
from tests.pacs.on_association import QueuesAssociation, RefusesAssociation, Silent
from tests.pacs.on_find import FindFails
from tests.pacs.on_retrieve import FailsRetrieve, SuccessWithNothingSent
from tests.peers import Peer, free_port
from tests.waiting import PATIENCE

SILENT: Final = Patience(connect=5.0, answer=2.0)
"""For those who say nothing."""


@pytest.fixture(scope="module")
def us() -> Peer:
    """Where the PACS has us as a destination."""
    return Peer("ISTHMUS", "127.0.0.1", free_port())


@pytest.fixture(scope="module")
def shared(us: Peer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FaultyPacs]:
    with FaultyPacs(make_series(tmp_path_factory.mktemp("faulty"), 2), destinations=[us]) as running:
        yield running


@pytest.fixture
def faulty(shared: FaultyPacs) -> FaultyPacs:
    """A PACS that behaves."""
    return shared.renewed()


async def test_nothing_is_wrong_with_a_good_one(faulty: FaultyPacs, us: Peer, tmp_path: Path) -> None:
    heard = await examined(pacs(faulty.peer, us), tmp_path)
    assert heard.findings == []
    assert heard.unclear == []


@pytest.mark.parametrize(
    ("behaviour", "cause", "named"),
    [
        (RefusesAssociation(), Cause.ASSOCIATION_LIMIT, "origins[0].associations"),
        (FindFails(status=0xA700), Cause.FIND_FAILS, "A700"),
        (FindFails(status=0x0124), Cause.FIND_FORBIDDEN, "ISTHMUS"),
        (SuccessWithNothingSent(), Cause.GET_FAILS, 'origins[0].retrieve = ["c-move"]'),
    ],
    ids=["limit", "find-fails", "find-not-authorized", "get-sends-nothing"],
)
async def test_a_failure(
    faulty: FaultyPacs, behaviour: Behaviour, cause: Cause, named: str, tmp_path: Path
) -> None:
    faulty.behave(behaviour)
    heard = await examined(pacs(faulty.peer), tmp_path)
    heard.only(cause, Side.THEIRS, f"{faulty.peer.host}:{faulty.peer.port}", named)


async def test_silence_for_an_association(faulty: FaultyPacs, tmp_path: Path) -> None:
    faulty.behave(QueuesAssociation())
    heard = await examined(pacs(faulty.peer), tmp_path, patience=SILENT)
    heard.only(Cause.ASSOCIATION_SILENT, Side.THEIRS, f"{faulty.peer.host}:{faulty.peer.port}")


async def test_silence_for_an_operation(
    faulty: FaultyPacs, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    opened = Connection.open

    def patiently(peer: DimsePeer, contexts: Sequence[Context], max_pdu: int) -> Connection:
        connection = opened(replace(peer, timeout=PATIENCE), contexts, max_pdu)
        connection.peer = peer
        return connection

    monkeypatch.setattr(Connection, "open", patiently)
    faulty.behave(Silent())
    heard = await examined(pacs(faulty.peer), tmp_path, patience=SILENT)
    heard.only(Cause.OPERATION_SILENT, Side.THEIRS, f"{faulty.peer.host}:{faulty.peer.port}")


async def test_who_is_asked_for_series_alone(faulty: FaultyPacs, us: Peer, tmp_path: Path) -> None:
    faulty.behave(FailsRetrieve(status=0xA900, levels=["IMAGE"]))
    heard = await examined(pacs(faulty.peer, us), tmp_path)
    assert heard.findings == []


async def test_a_firewall_between_the_pacs_and_us(tmp_path: Path) -> None:
    """What it sends to our port is dropped, and it waits."""
    with black_hole() as port:
        destination = Peer("ISTHMUS", "127.0.0.1", port)
        with FaultyPacs(make_series(tmp_path, 1), destinations=[destination]) as there:
            us = destination._replace(port=free_port())
            patience = Patience(connect=PATIENCE, answer=4)
            heard = await examined(pacs(there.peer, us), tmp_path / "data", patience=patience)
    heard.only(Cause.MOVE_DESTINATION_UNREACHABLE, Side.NETWORK, f"127.0.0.1, port {us.port}", "firewall")


async def test_who_rejects_us_without_a_reason(tmp_path: Path) -> None:
    rejection = bytes.fromhex("03 00 00000004 00 01 01 01")  # permanent, by the user, no reason (PS3.8 9.3.4)
    async with answering(rejection) as there:
        heard = await examined(pacs(there), tmp_path)
    heard.only(Cause.ASSOCIATION_REJECTED, Side.THEIRS, '"AET": "ISTHMUS"', "origins[0].ae_title")


async def test_who_sends_under_another_name(faulty: FaultyPacs, us: Peer, tmp_path: Path) -> None:
    heard = await examined(pacs(faulty.peer._replace(ae_title="ALIAS"), us), tmp_path)
    heard.only(Cause.MOVE_UNDER_ANOTHER_NAME, Side.THEIRS, "FAULTY", "ALIAS")


def nothing(_: evt.Event) -> Iterator[tuple[int, None]]:
    """Find nothing."""
    yield from ()


def nothing_of_all(event: evt.Event) -> Iterator[tuple[int, None]]:
    """Find nothing, and refuse to search all that there is."""
    if not event.identifier.StudyDate:
        yield 0xA700, None


def breaks_off_at_all(event: evt.Event) -> Iterator[tuple[int, None]]:
    """Find nothing, and abort a search of all that there is."""
    if not event.identifier.StudyDate:
        event.assoc.abort()
    yield from ()


@pytest.mark.parametrize("find", [nothing_of_all, breaks_off_at_all], ids=["refuses", "breaks-off"])
async def test_a_pacs_that_does_not_search_all_it_has(
    find: Callable[[evt.Event], Iterator[tuple[int, None]]], tmp_path: Path
) -> None:
    classes = [VERIFICATION.abstract_syntax, FIND.abstract_syntax, GET.abstract_syntax]
    with acceptor(on(evt.EVT_C_FIND, find), classes=classes) as there:
        heard = await examined(pacs(Peer("PACS", there.host, there.port)), tmp_path)
    assert heard.findings == []
    assert heard.unclear == ["the PACS lists no instance that could be asked for"]


async def test_a_pacs_without_c_get(tmp_path: Path) -> None:
    classes = [VERIFICATION.abstract_syntax, FIND.abstract_syntax]
    with acceptor(on(evt.EVT_C_FIND, nothing), classes=classes) as there:
        heard = await examined(pacs(Peer("PACS", there.host, there.port)), tmp_path)
    heard.only(Cause.GET_NOT_OFFERED, Side.THEIRS, "Study Root Query/Retrieve - GET", "origins[0].retrieve")


async def test_a_pacs_without_c_move(tmp_path: Path) -> None:
    classes = [VERIFICATION.abstract_syntax, FIND.abstract_syntax, GET.abstract_syntax]
    with acceptor(on(evt.EVT_C_FIND, nothing), classes=classes) as there:
        us = Peer("ISTHMUS", "127.0.0.1", free_port())
        heard = await examined(pacs(Peer("PACS", there.host, there.port), us), tmp_path)
    heard.only(Cause.MOVE_NOT_OFFERED, Side.THEIRS, "MOVE", 'origins[0].retrieve = ["c-get"]')


async def test_a_pacs_that_refuses_c_echo(tmp_path: Path) -> None:
    def refuse(_: evt.Event) -> int:
        return 0x0211

    classes = [VERIFICATION.abstract_syntax, FIND.abstract_syntax, GET.abstract_syntax]
    handlers = (on(evt.EVT_C_ECHO, refuse), on(evt.EVT_C_FIND, nothing))
    with acceptor(*handlers, classes=classes) as there:
        heard = await examined(pacs(Peer("PACS", there.host, there.port)), tmp_path)
    heard.only(Cause.ECHO_REFUSED, Side.THEIRS, "0211", "AllowEcho")
    assert heard.checks[-1].what == "C-GET"


async def test_a_c_move_that_fails_without_a_word(faulty: FaultyPacs, us: Peer, tmp_path: Path) -> None:
    faulty.behave(FailsRetrieve(status=0xC001))
    heard = await examined(pacs(faulty.peer, us, retrieve=["c-move"]), tmp_path)
    entry = f'"AET": "ISTHMUS", "Host": "127.0.0.1", "Port": {us.port}'
    heard.only(Cause.MOVE_DESTINATION_UNKNOWN_OR_WRONG, Side.THEIRS, entry)


async def test_a_c_move_that_fails(faulty: FaultyPacs, us: Peer, tmp_path: Path) -> None:
    faulty.behave(FailsRetrieve(status=0xA701))
    heard = await examined(pacs(faulty.peer, us, retrieve=["c-move"]), tmp_path)
    heard.only(Cause.MOVE_FAILS, Side.THEIRS, "A701")


async def test_a_pacs_that_takes_nothing_and_is_to(tmp_path: Path) -> None:
    classes = [VERIFICATION.abstract_syntax, FIND.abstract_syntax, GET.abstract_syntax]
    with acceptor(on(evt.EVT_C_FIND, nothing), classes=classes) as there:
        settings = pacs(Peer("PACS", there.host, there.port))
        heard = await examined({**settings, "dicomweb": {"store": "pacs"}}, tmp_path)
    heard.only(Cause.STORAGE_NOT_OFFERED, Side.THEIRS, "ISTHMUS", "AllowStore")


@asynccontextmanager
async def answering(words: bytes) -> AsyncIterator[Peer]:
    """Say the same to everybody, and end the connection."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(words)
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield Peer("PACS", "127.0.0.1", server.sockets[0].getsockname()[1])


async def test_something_else_than_dicom(tmp_path: Path) -> None:
    async with answering(b"220 mail.example.org ESMTP\r\n") as there:
        heard = await examined(pacs(there), tmp_path)
    heard.only(Cause.NOT_DICOM, Side.OURS, "origins[0].port", str(there.port))


async def test_the_port_of_a_web_page_over_tls(tmp_path: Path) -> None:
    async with wants_tls_and_says_so() as port:
        heard = await examined(pacs(Peer("PACS", "127.0.0.1", port)), tmp_path, "pacs")
    heard.only(Cause.SPEAKS_HTTP, Side.OURS, "origins[0].port", str(port))


async def test_who_hangs_up(tmp_path: Path) -> None:
    async with answering(b"") as there:
        heard = await examined(pacs(there), tmp_path)
    heard.only(Cause.ASSOCIATION_DROPPED, Side.THEIRS, '"AET": "ISTHMUS"', f"{there.host}:{there.port}")


async def test_a_host_to_which_there_is_no_way(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What leads nowhere depends on the machine: its answer is given."""

    def connect(*_: object) -> None:
        raise OSError(errno.EHOSTUNREACH, "No route to host")

    monkeypatch.setattr(asyncio, "open_connection", connect)
    heard = await examined(pacs(Peer("PACS", "192.0.2.1", 104)), tmp_path)
    heard.only(Cause.NO_ROUTE, Side.NETWORK, "ip route get 192.0.2.1")


@pytest.mark.parametrize(
    ("code", "cause", "side"),
    [
        (socket.EAI_NONAME, Cause.NAME_UNKNOWN, Side.OURS),
        (socket.EAI_AGAIN, Cause.NAME_SERVER_AWAY, Side.NETWORK),
    ],
    ids=["unknown", "no-server"],
)
async def test_a_name_that_leads_nowhere(
    code: int, cause: Cause, side: Side, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """What name servers are asked depends on the machine: the resolver's answer is given."""

    def resolve(*_: object, **__: object) -> None:
        raise socket.gaierror(code, "as told")

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    heard = await examined(pacs(Peer("PACS", "pacs.invalid", 104)), tmp_path)
    heard.only(cause, side, "pacs.invalid")


async def test_a_name_that_no_name_server_could_be_asked_for(tmp_path: Path) -> None:
    heard = await examined(pacs(Peer("PACS", "pacs..local", 104)), tmp_path)
    heard.only(Cause.NAME_UNKNOWN, Side.OURS, "pacs..local", "origins[0].host")
