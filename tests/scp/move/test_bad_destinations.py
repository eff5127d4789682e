"""Requests that name no destination, or one that no AE title could be: pynetdicom aborts over them."""

import asyncio

import pytest
from pydicom.dataset import Dataset

from tests.peers import Peer
from tests.scp.retrieving.client import STUDY_ROOT
from tests.scp.wire import EXPLICIT, LAST_OF_COMMAND, LAST_OF_DATA, answer, associated, command, p_data

MOVE = f"{STUDY_ROOT}.2"
IDENTIFIER = b"\x08\0\x52\0CS\x06\0STUDY \x20\0\x0d\0UI\x04\x001.2\0"


def asked(called: Peer, destination: str) -> Dataset:
    """Give the response to a C-MOVE (PS3.7 9.3.4.1)."""
    request = command(
        AffectedSOPClassUID=MOVE,
        CommandField=0x0021,
        MessageID=1,
        Priority=0,
        MoveDestination=destination,
        CommandDataSetType=0,
    )
    with associated(called.port, called.ae_title, [(1, MOVE, EXPLICIT)]) as connection:
        connection.sendall(p_data((1, LAST_OF_COMMAND, request), (1, LAST_OF_DATA, IDENTIFIER)))
        return answer(connection)


@pytest.mark.parametrize(
    ("destination", "status", "comment"),
    [
        ("", 0x0212, "MoveDestination is missing in the command"),
        ("  ", 0x0212, "MoveDestination is missing in the command"),
        ("A" * 17, 0xA801, "The Move Destination is not in the settings"),
        ("A\\B", 0xA801, "The Move Destination is not in the settings"),
    ],
)
async def test_no_such_destination(called: Peer, destination: str, status: int, comment: str) -> None:
    told = await asyncio.to_thread(asked, called, destination)
    assert (told.Status, told.ErrorComment) == (status, comment)
