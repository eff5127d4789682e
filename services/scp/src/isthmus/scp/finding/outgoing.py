"""Pending responses on their way to a client, many to a write, and no faster than it takes them."""

import asyncio
from collections.abc import Iterator
from io import BytesIO
from typing import Final

from pynetdicom.association import Association
from pynetdicom.pdu import P_DATA_TF

from isthmus.common.dimse.commands import PDV_OVERHEAD, find_response, fragments
from isthmus.common.dimse.pdus import data_set_pdus
from isthmus.common.dimse.sockets import EncodedPdus

RUN_BYTES: Final = 64 * 1024
"""Of PDUs for one write."""
WINDOW: Final = 2
"""Writes that are not begun."""
LONGEST_PDU: Final = 16 * 1024
"""Where the client takes PDUs of any length."""


class _Run(EncodedPdus):
    """PDUs for one write, which tells when the writes before are done and it is its turn."""

    def __init__(self, pdus: bytes, turn: "_Turn") -> None:
        super().__init__(pdus)
        self._turn = turn

    def encode(self) -> bytes:
        """Give them, as a PDU does."""
        self._turn.came()
        return super().encode()


class _Turn:
    def __init__(self, outgoing: "Outgoing") -> None:
        self._outgoing: Outgoing | None = outgoing

    def came(self) -> None:
        outgoing, self._outgoing = self._outgoing, None
        if outgoing is not None:
            outgoing.begun()


class Outgoing:
    """The pending responses of one C-FIND; for the loop, but `begun`."""

    def __init__(
        self, association: Association, context_id: int, message_id: int, sop_class_uid: str, status: int
    ) -> None:
        """Prepare.

        Args:
            association: over which they go.
            context_id: of the request's presentation context.
            message_id: of the request.
            sop_class_uid: of the request.
            status: FF00 or FF01, of each of them.
        """
        self._association = association
        self._context_id = context_id
        self._fragment = (association.dimse.maximum_pdu_size or LONGEST_PDU) - PDV_OVERHEAD
        command = find_response(message_id, sop_class_uid, status)
        self._command = b"".join(_pdus(command, context_id, self._fragment))
        self._loop = asyncio.get_running_loop()
        self.count = 0
        """How many responses were added."""
        self._room = asyncio.Event()
        self._waiting: list[bytes] = []
        self._bytes = 0
        self._under_way = 0
        self._scheduled = False
        self._closed = False

    async def add(self, identifier: bytes) -> None:
        """Send a response; waits while the client is behind.

        What is added goes out as soon as nothing more is at hand.
        """
        self.count += 1
        self._waiting.append(self._command)
        self._waiting += data_set_pdus(BytesIO(identifier), self._context_id, self._fragment, RUN_BYTES)
        self._bytes += len(identifier)
        if self._bytes >= RUN_BYTES:
            await self._wait_for_room()
            self._send()
        elif not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._send_soon)

    async def finish(self) -> None:
        """Send what is left; what is sent otherwise comes behind it."""
        if self._waiting:
            await self._wait_for_room()
            self._send()

    def close(self) -> None:
        """Send nothing more."""
        self._closed = True
        self._waiting.clear()

    def begun(self) -> None:
        """Hear that a write begins; in the reactor's thread."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._make_room)

    def _make_room(self) -> None:
        self._under_way -= 1
        self._room.set()

    async def _wait_for_room(self) -> None:
        while self._under_way >= WINDOW:
            self._room.clear()
            await self._room.wait()

    def _send_soon(self) -> None:
        self._scheduled = False
        if self._under_way < WINDOW:
            self._send()

    def _send(self) -> None:
        if self._waiting and not self._closed:
            run, self._waiting, self._bytes = b"".join(self._waiting), [], 0
            self._under_way += 1
            self._association.dul.send_pdu(_Run(run, _Turn(self)))


def _pdus(command_set: bytes, context_id: int, size: int) -> Iterator[bytes]:
    for fragment in fragments(command_set, context_id, size):
        yield P_DATA_TF(fragment).encode()
