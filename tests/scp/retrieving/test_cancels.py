"""C-CANCEL of a C-FIND, C-MOVE and C-GET at each moment (PS3.7 9.3.2.3, 9.3.3.3, 9.3.4.3)."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from pynetdicom.dsutils import encode

from tests.data_sets import identity
from tests.peers import Peer
from tests.scp.retrieving.client import STUDY_ROOT, wish
from tests.scp.wire import (
    EXPLICIT,
    LAST_OF_COMMAND,
    LAST_OF_DATA,
    RELEASE,
    RELEASED,
    answer,
    associated,
    cancelling,
    command,
    p_data,
    read,
)

CANCELLED = 0xFE00
NO_DATA_SET = 0x0101
OPERATIONS = {
    "C-FIND": (0x0020, f"{STUDY_ROOT}.1"),
    "C-MOVE": (0x0021, f"{STUDY_ROOT}.2"),
    "C-GET": (0x0010, f"{STUDY_ROOT}.3"),
}
"""Command Field and SOP class."""


class Client:
    """A client of one operation, over one association, that sends what a test says."""

    def __init__(self, connection: socket.socket, operation: str, study: str) -> None:
        self._connection = connection
        self._field, self._sop_class = OPERATIONS[operation]
        self._identifier = encode(wish("STUDY", StudyInstanceUID=study), False, True) or b""

    def request(self, message_id: int) -> bytes:
        to: dict[str, int | str] = {"MoveDestination": "RECEIVER"} if self._field == 0x0021 else {}
        fields: dict[str, int | str] = {
            "AffectedSOPClassUID": self._sop_class,
            "CommandField": self._field,
            "MessageID": message_id,
            "Priority": 0,
            "CommandDataSetType": 0,
            **to,
        }
        return p_data((1, LAST_OF_COMMAND, command(**fields)), (1, LAST_OF_DATA, self._identifier))

    @staticmethod
    def cancel(message_id: int) -> bytes:
        return p_data((1, LAST_OF_COMMAND, cancelling(message_id)))

    def send(self, *messages: bytes) -> None:
        self._connection.sendall(b"".join(messages))

    def final(self) -> tuple[int, int]:
        """Give the Message ID and the status of the next final response."""
        while True:
            response = answer(self._connection)
            if response.CommandDataSetType != NO_DATA_SET:
                read(self._connection)
            if response.Status not in (0xFF00, 0xFF01):
                return int(response.MessageIDBeingRespondedTo), int(response.Status)

    def release(self) -> None:
        """Go; nothing is left to be said then."""
        self.send(RELEASE)
        assert read(self._connection) == RELEASED


@contextmanager
def client(called: Peer, operation: str, study: str) -> Iterator[Client]:
    sop_class = OPERATIONS[operation][1]
    with associated(called.port, called.ae_title, [(1, sop_class, EXPLICIT)]) as connection:
        yield Client(connection, operation, study)


@pytest.fixture(params=OPERATIONS)
def operation(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def end(operation: str) -> int:
    """How one ends that nobody cancels: this C-GET client takes no images."""
    return 0xA702 if operation == "C-GET" else 0x0000


@pytest.fixture
def study(images: list[Path]) -> str:
    return identity(images[0]).study_instance_uid


async def test_with_its_request_and_again_and_again(
    called: Peer, operation: str, study: str, end: int
) -> None:
    def run() -> list[tuple[int, int]]:
        with client(called, operation, study) as one:
            one.send(one.request(7), one.cancel(7), one.cancel(7), one.cancel(7))
            first = one.final()
            one.send(one.request(8))
            ended = [first, one.final()]
            one.release()
            return ended

    assert await asyncio.to_thread(run) == [(7, CANCELLED), (8, end)]


async def test_of_what_is_over_and_of_what_never_was(
    called: Peer, operation: str, study: str, end: int
) -> None:
    def run() -> list[tuple[int, int]]:
        with client(called, operation, study) as one:
            one.send(one.cancel(7), one.request(7), one.cancel(8))
            ended = [one.final()]
            one.send(one.cancel(7), one.cancel(7), one.request(7))
            ended.append(one.final())
            one.send(one.cancel(7), one.request(8))
            ended.append(one.final())
            one.release()
            return ended

    assert await asyncio.to_thread(run) == [(7, end), (7, end), (8, end)]


async def test_of_one_that_waits_for_its_turn(called: Peer, operation: str, study: str, end: int) -> None:
    def run() -> list[tuple[int, int]]:
        with client(called, operation, study) as one:
            one.send(one.request(7), one.request(8), one.request(9), one.cancel(8))
            ended = [one.final() for _ in range(3)]
            one.release()
            return ended

    assert await asyncio.to_thread(run) == [(7, end), (8, CANCELLED), (9, end)]
