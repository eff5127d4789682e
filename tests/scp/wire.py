"""Associations and messages as bytes, for peers that do what no toolkit would."""

import socket
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO

from pydicom.dataset import Dataset
from pynetdicom.dsutils import decode, encode

from tests.scp.modality import CT
from tests.waiting import PATIENCE

VERIFICATION = "1.2.840.10008.1.1"
COMMITMENT = "1.2.840.10008.1.20.1"
IMPLICIT, EXPLICIT = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1"
IMAGES, ECHOES, COMMITMENTS = 1, 3, 5
"""The presentation contexts of `associated`."""
CONTEXTS = ((IMAGES, CT, EXPLICIT), (ECHOES, VERIFICATION, IMPLICIT), (COMMITMENTS, COMMITMENT, IMPLICIT))
ABORTED = b"\x07\0\0\0\0\x04\0\0\x02\0"
"""An A-ABORT of the service provider (PS3.8 9.3.8)."""
RELEASE = b"\x05\0\0\0\0\x04\0\0\0\0"
RELEASED = b"\x06\0\0\0\0\x04\0\0\0\0"


def item(kind: int, value: bytes) -> bytes:
    return struct.pack(">BBH", kind, 0, len(value)) + value


def pdu(kind: int, body: bytes) -> bytes:
    return struct.pack(">BBL", kind, 0, len(body)) + body


def associate(
    called: str = "INBOX",
    contexts: Sequence[tuple[int, str, str]] = CONTEXTS,
    calling: str = "EVIL",
    user: bytes = b"",
) -> bytes:
    """An A-ASSOCIATE-RQ (PS3.8 9.3.2), with more items of User Information (PS3.7 D.3.3)."""
    proposed = b"".join(
        item(0x20, bytes((number, 0, 0, 0)) + item(0x30, name.encode()) + item(0x40, syntax.encode()))
        for number, name, syntax in contexts
    )
    user = item(0x50, item(0x51, struct.pack(">L", 16384)) + item(0x52, b"1.2.3") + user)
    titles = called.encode().ljust(16) + calling.encode().ljust(16)
    fixed = struct.pack(">HH", 1, 0) + titles + bytes(32)
    return pdu(1, fixed + item(0x10, b"1.2.840.10008.3.1.1.1") + proposed + user)


def command(**fields: int | str | None) -> bytes:
    """A command set, of what is given alone."""
    data = Dataset()
    for keyword, value in fields.items():
        setattr(data, keyword, value)
    body = encode(data, True, True) or b""
    return struct.pack("<HHLL", 0, 0, 4, len(body)) + body


def storing(message_id: int = 1, instance: str = "1.2.3.4", **fields: int | str) -> bytes:
    """The command set of a C-STORE-RQ (PS3.7 9.3.1.1)."""
    return command(
        **{
            "AffectedSOPClassUID": CT,
            "CommandField": 0x0001,
            "MessageID": message_id,
            "Priority": 0,
            "CommandDataSetType": 0,
            "AffectedSOPInstanceUID": instance,
            **fields,
        }
    )


def echoing(message_id: int = 1) -> bytes:
    """The command set of a C-ECHO-RQ."""
    return command(
        AffectedSOPClassUID=VERIFICATION,
        CommandField=0x0030,
        MessageID=message_id,
        CommandDataSetType=0x0101,
    )


def cancelling(message_id: int) -> bytes:
    """The command set of a C-CANCEL-RQ (PS3.7 9.3.2.3)."""
    return command(CommandField=0x0FFF, MessageIDBeingRespondedTo=message_id, CommandDataSetType=0x0101)


COMMAND, LAST_OF_COMMAND, DATA, LAST_OF_DATA = 1, 3, 0, 2
Fragment = tuple[int, int, bytes]
"""Presentation context, message control header, and what is behind it."""


def p_data(*fragments: Fragment) -> bytes:
    """A P-DATA-TF PDU (PS3.8 9.3.5)."""
    return pdu(
        4,
        b"".join(
            struct.pack(">LBB", len(data) + 2, context_id, control) + data
            for context_id, control, data in fragments
        ),
    )


def read(connection: socket.socket) -> bytes:
    """Give the next PDU; nothing where the connection is closed."""
    head = _exactly(connection, 6)
    return head + _exactly(connection, struct.unpack(">L", head[2:])[0]) if head else b""


def _exactly(connection: socket.socket, size: int) -> bytes:
    found = b""
    while len(found) < size:
        piece = connection.recv(size - len(found))
        if not piece:
            break
        found += piece
    return found


def answer(connection: socket.socket) -> Dataset:
    """Give the command set of the next message, which is in one PDU."""
    received = read(connection)
    assert received[:1] == b"\x04", received
    return decode(BytesIO(received[12:]), True, True)


@contextmanager
def associated(
    port: int, called: str = "INBOX", contexts: Sequence[tuple[int, str, str]] = CONTEXTS
) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as connection:
        connection.sendall(associate(called, contexts))
        assert read(connection)[:1] == b"\x02"
        yield connection
