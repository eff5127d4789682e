"""What is no Identifier, or none for its SOP class: status, Error Comment, and the association goes on."""

import asyncio
import struct

import pytest
from pydicom.dataset import Dataset
from pynetdicom.dsutils import encode

from isthmus.scp.asked import LARGEST_IDENTIFIER
from isthmus.scp.worker import Server
from tests.scp.find.conftest import ARCHIVE, EXPLICIT, PATIENT_ROOT, STUDY_ROOT, Played, ask, asking, request
from tests.scp.wire import (
    DATA,
    LAST_OF_COMMAND,
    LAST_OF_DATA,
    RELEASE,
    RELEASED,
    answer,
    associated,
    p_data,
    read,
)

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("identifier", "model", "comment"),
    [
        (request(None, StudyInstanceUID="1.2"), STUDY_ROOT, "QueryRetrieveLevel is missing"),
        (request("PATIENT"), STUDY_ROOT, "QueryRetrieveLevel is none of STUDY, SERIES, IMAGE"),
        (request("FRAME"), PATIENT_ROOT, "QueryRetrieveLevel is none of PATIENT, STUDY, SERIES, IMAGE"),
        (request(StudyDate="tomorrow"), STUDY_ROOT, "StudyDate: "),
        (request(StudyInstanceUID="1.2.*"), STUDY_ROOT, "StudyInstanceUID: "),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_an_identifier_that_asks_for_nothing(
    server: Server, played: Played, identifier: Dataset, model: str, comment: str
) -> None:
    told = await ask(server, identifier, model=model)
    assert told.status == 0xA900
    assert told.comment.startswith(comment)
    assert not played.queries


def told_of(server: Server, data: bytes) -> Dataset:
    """Send an Identifier as it is, and give the response; a good one is answered behind it."""
    with associated(server.port, ARCHIVE, [(1, STUDY_ROOT, EXPLICIT)]) as connection:
        connection.sendall(p_data((1, LAST_OF_COMMAND, asking())))
        for start in range(0, len(data), 65536):
            connection.sendall(p_data((1, DATA, data[start : start + 65536])))
        connection.sendall(p_data((1, LAST_OF_DATA, b"")))
        told = answer(connection)
        good = encode(request(StudyInstanceUID="1.2"), False, True) or b""
        connection.sendall(p_data((1, LAST_OF_COMMAND, asking(2)), (1, LAST_OF_DATA, good)))
        assert answer(connection).Status == 0x0000
        connection.sendall(RELEASE)
        assert read(connection) == RELEASED
    return told


def element(tag: int, vr: bytes, value: bytes) -> bytes:
    return struct.pack("<HH2sH", tag >> 16, tag & 0xFFFF, vr, len(value)) + value


LEVEL = element(0x00080052, b"CS", b"STUDY ")


@pytest.mark.parametrize(
    "data",
    [
        b"\xde\xad\xbe\xef" * 100,
        LEVEL[:-2],
        LEVEL + b"abc",
        LEVEL + LEVEL,
        element(0x0020000D, b"UI", b"1.2\0") + LEVEL,
        LEVEL + struct.pack("<HH2sH", 0x0010, 0x0010, b"PN", 500) + b"Doe",
        element(0x00000002, b"UI", b"1.2\0") + LEVEL,
        LEVEL + struct.pack("<HH2sxxL", 0x0040, 0x0275, b"SQ", 0xFFFFFFFF) + b"nothing!",
        LEVEL + element(0x00280010, b"US", b"123"),
    ],
    ids=[
        "garbage",
        "cut",
        "something behind",
        "twice",
        "not in order",
        "too long a value",
        "a command",
        "no items",
        "an odd number",
    ],
)
async def test_what_is_no_identifier(server: Server, played: Played, data: bytes) -> None:
    told = await asyncio.to_thread(told_of, server, data)
    assert told.Status == 0xC000
    assert told.ErrorComment == "The Identifier cannot be read"


async def test_an_identifier_that_is_too_large(server: Server, played: Played) -> None:
    told = await asyncio.to_thread(told_of, server, bytes(LARGEST_IDENTIFIER + 2))
    assert told.Status == 0xA900
    assert told.ErrorComment == "The Identifier is larger than 4 MiB"


async def test_too_many_attributes(server: Server, played: Played) -> None:
    many = b"".join(element(0x00111000 + number, b"LO", b"") for number in range(1001))
    told = await asyncio.to_thread(told_of, server, LEVEL + many)
    assert told.Status == 0xA900
    assert told.ErrorComment == "The Identifier has more than 1000 attributes"


async def test_group_lengths_are_passed_over(server: Server, played: Played) -> None:
    data = element(0x00080000, b"UL", struct.pack("<L", len(LEVEL))) + LEVEL
    told = await asyncio.to_thread(told_of, server, data)
    assert told.Status == 0x0000


async def test_what_cannot_be_matched_is_said_in_each_response(server: Server, played: Played) -> None:
    played.answer = lambda _: [{"0020000D": {"vr": "UI", "Value": ["1.2"]}}]
    identifier = request(StudyInstanceUID="", SeriesNumber="3")
    told = await ask(server, identifier)
    assert (told.status, told.pending) == (0x0000, [0xFF01])
    assert not played.queries[0].keys
