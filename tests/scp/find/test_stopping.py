"""A C-FIND that does not come to its end: cancelled, left, overtaken by a failure, or slow."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from pydicom.dataset import Dataset
from pynetdicom.dsutils import encode

from isthmus.common.dicom.json_model import DicomJson
from isthmus.common.errors import NoSuchObject, OperationFailed, OriginTimeout, OriginUnreachable
from isthmus.scp.worker import Server
from tests.scp.find.conftest import ARCHIVE, EXPLICIT, STUDY_ROOT, Played, ask, asking, request
from tests.scp.wire import (
    LAST_OF_COMMAND,
    LAST_OF_DATA,
    RELEASE,
    RELEASED,
    answer,
    associate,
    cancelling,
    p_data,
    read,
)

pytestmark = pytest.mark.anyio

SECONDS = 10.0
AT_ONCE = 10.0
IDENTIFIER = encode(request(StudyInstanceUID="", PatientName=""), False, True) or b""


def studies(count: int, name: str = "Doe") -> list[DicomJson]:
    return [
        {
            "00100010": {"vr": "PN", "Value": [{"Alphabetic": name}]},
            "0020000D": {"vr": "UI", "Value": [f"1.2.{number}"]},
        }
        for number in range(count)
    ]


def request_of(message_id: int) -> bytes:
    return p_data((1, LAST_OF_COMMAND, asking(message_id)), (1, LAST_OF_DATA, IDENTIFIER))


@contextmanager
def connected(server: Server, buffer: int | None = None) -> Iterator[socket.socket]:
    with socket.socket() as connection:
        if buffer is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        connection.settimeout(SECONDS)
        connection.connect(("127.0.0.1", server.port))
        connection.sendall(associate(ARCHIVE, [(1, STUDY_ROOT, EXPLICIT)]))
        assert read(connection)[:1] == b"\x02"
        yield connection


def final(connection: socket.socket) -> tuple[Dataset, int]:
    """Give the final response, and how many Pending ones were before it."""
    pending = 0
    while True:
        response = answer(connection)
        if response.CommandDataSetType == 0x0101:
            return response, pending
        assert response.Status == 0xFF00
        read(connection)  # the Identifier
        pending += 1


async def test_a_cancel_stops_the_query_at_the_origin_at_once(server: Server, played: Played) -> None:
    played.answer, played.endless = lambda _: studies(3), True

    def run() -> tuple[Dataset, int]:
        with connected(server) as connection:
            connection.sendall(request_of(7))
            for _ in range(3):
                assert answer(connection).Status == 0xFF00
                read(connection)
            connection.sendall(p_data((1, LAST_OF_COMMAND, cancelling(7))))
            ended = final(connection)
            connection.sendall(RELEASE)
            assert read(connection) == RELEASED
            return ended

    response, pending = await asyncio.to_thread(run)
    assert (response.Status, pending) == (0xFE00, 0)
    assert response.MessageIDBeingRespondedTo == 7
    async with asyncio.timeout(AT_ONCE):
        await played.left.wait()


async def test_a_cancel_counts_that_comes_with_its_request(server: Server, played: Played) -> None:
    played.endless = True

    def run() -> int:
        with connected(server) as connection:
            connection.sendall(request_of(7) + p_data((1, LAST_OF_COMMAND, cancelling(7))))
            return int(final(connection)[0].Status)

    assert await asyncio.to_thread(run) == 0xFE00


async def test_a_cancel_is_of_one_request(server: Server, played: Played) -> None:
    played.answer = lambda _: studies(2)

    def run() -> list[tuple[int, int]]:
        ended = []
        with connected(server) as connection:
            connection.sendall(p_data((1, LAST_OF_COMMAND, cancelling(8))))
            for message_id in (7, 8):
                connection.sendall(request_of(message_id))
                response, pending = final(connection)
                ended.append((int(response.Status), pending))
        return ended

    assert await asyncio.to_thread(run) == [(0x0000, 2), (0x0000, 2)]


async def test_a_client_that_is_gone_stops_the_query(server: Server, played: Played) -> None:
    played.answer, played.endless = lambda _: studies(1), True

    def run() -> None:
        with connected(server) as connection:
            connection.sendall(request_of(7))
            assert answer(connection).Status == 0xFF00

    await asyncio.to_thread(run)
    async with asyncio.timeout(AT_ONCE):
        await played.left.wait()


async def test_a_client_that_wants_to_go_stops_the_query(server: Server, played: Played) -> None:
    played.endless = True

    def run() -> bytes:
        with connected(server) as connection:
            connection.sendall(request_of(7) + RELEASE)
            return read(connection)

    assert await asyncio.to_thread(run) == RELEASED
    async with asyncio.timeout(AT_ONCE):
        await played.left.wait()


async def test_what_is_no_dicom_stops_the_query(server: Server, played: Played) -> None:
    played.endless = True
    with connected(server) as connection:
        connection.sendall(request_of(7))
        async with asyncio.timeout(AT_ONCE):
            await played.asked.wait()
        connection.sendall(b"\x63\0\0\0\0\x04none")
        assert (await asyncio.to_thread(read, connection))[:1] == b"\x07"
        async with asyncio.timeout(AT_ONCE):
            await played.left.wait()


async def test_a_slow_client_slows_the_origin_down(server: Server, played: Played) -> None:
    every = studies(5_000, "Doe" * 2_000)
    played.answer = lambda _: every
    with connected(server, buffer=4096) as connection:
        connection.sendall(request_of(7))
        async with asyncio.timeout(SECONDS):
            await played.slowed.wait()
        assert played.given < len(every) / 2
        connection.sendall(p_data((1, LAST_OF_COMMAND, cancelling(7))))
        response, pending = await asyncio.to_thread(final, connection)
    assert response.Status == 0xFE00
    assert pending <= played.given < len(every)


@pytest.mark.parametrize(
    ("failure", "status"),
    [
        (OperationFailed("Refused", origin="x", status=0xA700, operation="C-FIND"), 0xA700),
        (OriginTimeout("Silent", origin="x"), 0xA700),
        (OriginUnreachable("No connection", origin="x"), 0xC000),
        (NoSuchObject("No such study"), 0x0000),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
async def test_a_failure_behind_matches_is_the_final_status(
    server: Server, played: Played, failure: Exception, status: int
) -> None:
    played.answer, played.failure = lambda _: studies(5), failure
    told = await ask(server, request(StudyInstanceUID=""))
    assert told.status == status
    assert len(told.matches) == 5
    if status:
        assert told.comment == str(failure)


async def test_an_origin_that_nobody_serves(server: Server, played: Played) -> None:
    played.failure = None
    await played.stop()
    told = await ask(server, request(StudyInstanceUID=""))
    assert told.status == 0xA700
    assert told.comment.startswith("No worker serves")
