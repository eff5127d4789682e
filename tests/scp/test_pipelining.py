"""A sender that does not wait for responses: it is slowed down, and loses nothing."""

import asyncio
import io
import socket
import threading
from collections.abc import Callable

import pytest

from isthmus.common.config import Inbox
from isthmus.common.dimse import Association, Context
from isthmus.common.dimse.sockets import BACKLOG
from isthmus.common.service import Parts
from isthmus.scp.sender import Sender
from isthmus.scp.storing.answer import Answer
from isthmus.scp.storing.arrived import Arrived
from isthmus.scp.storing.receive import Receiver
from isthmus.scp.worker import serving
from tests.scp.conftest import CT, EXPLICIT, INBOX, peer

MESSAGES = 40
PIXELS = bytes(1024 * 1024)
"""As long as that, the buffers of the sockets take a few of them."""


def pdus(data: bytes, context_id: int, uid: str, message_id: int) -> bytes:
    """A C-STORE-RQ as it is on the wire (PS3.7 9.3.1.1, PS3.8 9.3.5)."""

    def element(number: int, value: bytes) -> bytes:
        value += b"\0" * (len(value) % 2)
        return b"\0\0" + number.to_bytes(2, "little") + len(value).to_bytes(4, "little") + value

    command = b"".join(
        element(number, value)
        for number, value in (
            (0x0002, CT.encode()),
            (0x0100, b"\x01\0"),
            (0x0110, message_id.to_bytes(2, "little")),
            (0x0700, b"\0\0"),
            (0x0800, b"\0\0"),
            (0x1000, uid.encode()),
        )
    )
    command = element(0x0000, len(command).to_bytes(4, "little")) + command
    written = io.BytesIO()
    pieces = [(3, command)]
    starts = range(0, len(data), 64 * 1024)
    pieces += [(2 if start == starts[-1] else 0, data[start : start + 64 * 1024]) for start in starts]
    for control, piece in pieces:
        value = (len(piece) + 2).to_bytes(4, "big") + bytes((context_id, control)) + piece
        written.write(b"\x04\0" + len(value).to_bytes(4, "big") + value)
    return written.getvalue()


async def test_no_more_is_read_in_advance_than_a_few_messages(
    parts: Parts, inbox: Inbox, dataset: Callable[..., bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on = asyncio.Event()
    receive = Receiver.receive

    async def later(self: Receiver, sender: Sender, arrived: Arrived) -> Answer:
        await go_on.wait()
        return await receive(self, sender, arrived)

    monkeypatch.setattr(Receiver, "receive", later)
    large = b"\xe0\x7f\x10\x00OW\0\0" + len(PIXELS).to_bytes(4, "little") + PIXELS
    stalled = threading.Event()

    def flood(connection: socket.socket, context_id: int) -> None:
        with connection:
            connection.settimeout(1)
            for number in range(MESSAGES):
                uid = f"1.2.3.{number}"
                view = memoryview(pdus(dataset(instance=uid) + large, context_id, uid, number))
                while view:
                    try:
                        view = view[connection.send(view) :]
                    except TimeoutError:
                        stalled.set()

    async with serving(parts) as server:
        association = await asyncio.to_thread(
            Association.open, peer(server, called=INBOX), [Context(CT, (EXPLICIT,))]
        )
        wire = association._connection._socket.socket
        assert wire is not None
        flooding = asyncio.create_task(
            asyncio.to_thread(flood, wire.dup(), association.accepted[0].context_id)
        )
        assert await asyncio.to_thread(stalled.wait, 20)
        (receiving,) = server._listener.active_associations
        assert receiving.dimse.msg_queue.qsize() <= BACKLOG
        go_on.set()
        statuses = [
            (await asyncio.to_thread(association._connection.receive))[1].Status for _ in range(MESSAGES)
        ]
        await flooding
        await asyncio.to_thread(association.release)
    assert statuses == [0] * MESSAGES
