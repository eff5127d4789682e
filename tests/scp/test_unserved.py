"""Requests that nobody serves are answered all the same: a peer that hears nothing waits for minutes."""

import asyncio
from collections.abc import Callable

from isthmus.common.bus import Bus
from isthmus.common.config import Inbox
from isthmus.scp.worker import Server
from tests.scp.modality import CT
from tests.scp.stream import instance_events
from tests.scp.wire import (
    COMMITMENT,
    COMMITMENTS,
    DATA,
    ECHOES,
    IMAGES,
    LAST_OF_COMMAND,
    LAST_OF_DATA,
    Fragment,
    answer,
    associated,
    command,
    echoing,
    p_data,
    read,
    storing,
)

DataSet = Callable[..., bytes]
FIND = "1.2.840.10008.5.1.4.1.2.2.1"


def operation(field: int, **fields: int | str) -> bytes:
    return command(CommandField=field, MessageID=7, CommandDataSetType=0x0101, **fields)


def unserved(data: bytes) -> list[tuple[list[Fragment], int, str]]:
    """What is asked, and status and Error Comment of the answer."""
    image = (IMAGES, LAST_OF_DATA, data)
    return [
        (
            [(IMAGES, LAST_OF_COMMAND, storing(AffectedSOPInstanceUID="")), image],
            0xA900,
            "AffectedSOPInstanceUID is missing in the command",
        ),
        (
            [(IMAGES, LAST_OF_COMMAND, storing(AffectedSOPClassUID="")), image],
            0xA900,
            "AffectedSOPClassUID is missing in the command",
        ),
        (
            [(COMMITMENTS, LAST_OF_COMMAND, operation(0x0130, RequestedSOPClassUID=COMMITMENT))],
            0x0212,
            "RequestedSOPInstanceUID is missing in the command",
        ),
        (
            [
                (
                    IMAGES,
                    LAST_OF_COMMAND,
                    operation(0x0130, RequestedSOPClassUID=CT, RequestedSOPInstanceUID="1.2", ActionTypeID=1),
                )
            ],
            0x0211,
            "N-ACTION is not done for this SOP class",
        ),
        (
            [
                (
                    COMMITMENTS,
                    LAST_OF_COMMAND,
                    operation(0x0110, RequestedSOPClassUID=COMMITMENT, RequestedSOPInstanceUID="1.2"),
                )
            ],
            0x0211,
            "N-GET is not done for this SOP class",
        ),
        (
            [
                (
                    IMAGES,
                    LAST_OF_COMMAND,
                    storing(CommandField=0x0020, AffectedSOPClassUID=FIND, AffectedSOPInstanceUID=""),
                ),
                (IMAGES, DATA, data),
                (IMAGES, LAST_OF_DATA, b""),
            ],
            0x0122,
            "Not the SOP class of its presentation context",
        ),
        (
            [(ECHOES, LAST_OF_COMMAND, operation(0x0030, AffectedSOPClassUID="1.2.99"))],
            0x0211,
            "C-ECHO is not done for this SOP class",
        ),
    ]


async def test_each_gets_its_answer_and_the_association_goes_on(
    server: Server, bus: Bus, inbox: Inbox, dataset: DataSet
) -> None:
    cases = unserved(dataset())

    def run() -> list[tuple[int, str]]:
        given = []
        with associated(server.port) as connection:
            for fragments, _, _ in cases:
                connection.sendall(p_data(*fragments))
                response = answer(connection)
                given.append((int(response.Status), str(response.ErrorComment)))
            connection.sendall(p_data((ECHOES, LAST_OF_COMMAND, echoing())))
            assert answer(connection).Status == 0
        return given

    assert await asyncio.to_thread(run) == [(status, comment) for _, status, comment in cases]
    assert await instance_events(bus, inbox.name) == []


async def test_a_request_that_cannot_be_answered_ends_the_association(
    server: Server, dataset: DataSet
) -> None:
    def run() -> bytes:
        without = command(AffectedSOPClassUID=CT, CommandField=1, Priority=0, CommandDataSetType=0)
        with associated(server.port) as connection:
            connection.sendall(p_data((IMAGES, LAST_OF_COMMAND, without), (IMAGES, LAST_OF_DATA, dataset())))
            return read(connection)[:1]

    assert await asyncio.to_thread(run) == b"\x07"


async def test_a_response_that_nobody_waits_for_is_passed_over(server: Server) -> None:
    def run() -> int:
        stray = command(
            AffectedSOPClassUID="1.2.840.10008.1.1",
            CommandField=0x8030,
            MessageIDBeingRespondedTo=9,
            CommandDataSetType=0x0101,
            Status=0,
        )
        with associated(server.port) as connection:
            connection.sendall(p_data((ECHOES, LAST_OF_COMMAND, stray)))
            connection.sendall(p_data((ECHOES, LAST_OF_COMMAND, echoing(2))))
            return int(answer(connection).MessageIDBeingRespondedTo)

    assert await asyncio.to_thread(run) == 2
