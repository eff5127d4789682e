"""Messages that break the rules of PS3.8 Annex E: the association ends, and nothing of them is stored."""

import asyncio
import random
import struct
from collections.abc import Callable

import pytest

from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus
from isthmus.common.config import Inbox
from isthmus.common.dimse import incoming, sockets
from isthmus.scp.worker import Server
from tests.peers import eventually
from tests.scp.stream import instance_events
from tests.scp.wire import (
    ABORTED,
    COMMAND,
    COMMITMENTS,
    DATA,
    ECHOES,
    IMAGES,
    LAST_OF_COMMAND,
    LAST_OF_DATA,
    answer,
    associated,
    command,
    echoing,
    p_data,
    pdu,
    read,
    storing,
)

DataSet = Callable[..., bytes]
PIXELS = random.Random(1).randbytes(600)


def malformed(data: bytes) -> dict[str, list[bytes]]:
    """What a peer may send, as PDUs; the data set would be taken if it came alone."""
    request = (IMAGES, LAST_OF_COMMAND, storing())
    again = (IMAGES, LAST_OF_COMMAND, storing(2))
    return {
        "a C-STORE that begins anew in the middle of its data set": [
            p_data(request),
            p_data((IMAGES, DATA, data[:300])),
            p_data(again),
            p_data((IMAGES, LAST_OF_DATA, data)),
        ],
        "two commands, then a data set": [
            p_data(request),
            p_data(again),
            p_data((IMAGES, LAST_OF_DATA, data)),
        ],
        "a data set in another context than its command": [
            p_data(request, (COMMITMENTS, LAST_OF_DATA, data)),
        ],
        "a command in two contexts": [
            p_data((IMAGES, COMMAND, storing()[:20])),
            p_data((ECHOES, LAST_OF_COMMAND, storing()[20:])),
        ],
        "a data set before its command": [
            p_data((IMAGES, DATA, data[:20])),
            p_data(request),
            p_data((IMAGES, LAST_OF_DATA, data[20:])),
        ],
        "a data set without a command": [p_data((IMAGES, LAST_OF_DATA, data))],
        "no fragment": [p_data()],
        "a fragment without a header": [pdu(4, struct.pack(">LB", 1, IMAGES))],
        "a fragment that is longer than its PDU": [pdu(4, struct.pack(">LBB", 1000, IMAGES, 3) + b"abc")],
        "a command that is none": [p_data((IMAGES, LAST_OF_COMMAND, data))],
        "a command that is garbage": [p_data((IMAGES, LAST_OF_COMMAND, b"\xff" * 50))],
        "a command without its kind": [p_data((IMAGES, LAST_OF_COMMAND, command(MessageID=1)))],
        "a command of no known kind": [
            p_data((IMAGES, LAST_OF_COMMAND, command(CommandField=0x7777, CommandDataSetType=0x0101)))
        ],
    }


async def test_what_breaks_the_rules_is_aborted_and_nothing_of_it_is_stored(
    server: Server,
    bus: Bus,
    blobs: BlobStore,
    inbox: Inbox,
    dataset: DataSet,
    capfd: pytest.CaptureFixture[str],
) -> None:
    image = dataset(name=b"Geheim") + b"\xe0\x7f\x10\x00OW\0\0" + len(PIXELS).to_bytes(4, "little") + PIXELS

    def run(pdus: list[bytes]) -> bytes:
        with associated(server.port) as connection:
            connection.sendall(b"".join(pdus))
            return read(connection)

    cases = malformed(image)
    given = {what: await asyncio.to_thread(run, pdus) for what, pdus in cases.items()}
    assert given == dict.fromkeys(cases, ABORTED)
    assert await instance_events(bus, inbox.name) == []
    assert [blob async for blob in blobs.list(f"inbox/{inbox.name}/")] == []
    said = "".join(capfd.readouterr())
    assert "a command before the data set of the last one has ended" in said
    assert "Geheim" not in said
    assert "1.2.3.4" not in said


async def test_a_command_set_that_never_ends_is_not_kept(server: Server) -> None:
    def run() -> bytes:
        piece = p_data((IMAGES, COMMAND, bytes(8192)))
        with associated(server.port) as connection:
            for _ in range(incoming.LARGEST_COMMAND_SET // 8192 + 1):
                connection.sendall(piece)
            return read(connection)

    assert await asyncio.to_thread(run) == ABORTED


async def test_a_pdu_that_is_much_longer_than_we_announced_takes_no_memory(server: Server) -> None:
    def run() -> bytes:
        with associated(server.port) as connection:
            connection.sendall(struct.pack(">BBL", 4, 0, 8 * sockets.MAX_PDU + 1))
            return read(connection)

    assert await asyncio.to_thread(run) == b""
    assert await asyncio.to_thread(eventually, lambda: server.associations == 0)


async def test_of_two_messages_in_one_pdu_both_are_answered(server: Server) -> None:
    def run() -> list[int]:
        with associated(server.port) as connection:
            connection.sendall(
                p_data((ECHOES, LAST_OF_COMMAND, echoing(1)), (ECHOES, LAST_OF_COMMAND, echoing(2)))
            )
            return [answer(connection).MessageIDBeingRespondedTo for _ in range(2)]

    assert await asyncio.to_thread(run) == [1, 2]


async def test_a_message_in_many_small_fragments_is_one(
    server: Server, bus: Bus, blobs: BlobStore, inbox: Inbox, dataset: DataSet
) -> None:
    sent, request = dataset(), storing()

    def run() -> int:
        with associated(server.port) as connection:
            for at in range(0, len(request), 7):
                last = LAST_OF_COMMAND if at + 7 >= len(request) else COMMAND
                connection.sendall(p_data((IMAGES, last, request[at : at + 7])))
            connection.sendall(p_data(*((IMAGES, DATA, sent[at : at + 9]) for at in range(0, len(sent), 9))))
            connection.sendall(p_data((IMAGES, LAST_OF_DATA, b"")))
            return int(answer(connection).Status)

    assert await asyncio.to_thread(run) == 0
    (event,) = await instance_events(bus, inbox.name)
    assert (await blobs.get(event.data.blob.key)).endswith(sent)
