"""A connection whose A-ASSOCIATE-RQ (PS3.8 9.3.2) is not yet complete: it has no thread of its own."""

import socket
import struct
import time
from contextlib import suppress
from enum import Enum, auto
from typing import Final

from isthmus.scp.admission import Rejection
from isthmus.scp.callers import Calling

ARTIM_SECONDS: Final = 10.0
"""For the request to come, and after a rejection for the requestor to close (PS3.8 9.1.5)."""
LONGEST_REQUEST: Final = 512 * 1024
"""Bytes: 128 presentation contexts of 40 transfer syntaxes each take 360 KB."""
_SHORTEST_REQUEST: Final = 68
_ASSOCIATE_RQ: Final = 0x01
_HEADER: Final = struct.Struct(">BBL")
_VERSION: Final = slice(6, 8)
_CALLED: Final = slice(10, 26)
_CALLING: Final = slice(26, 42)


class Heard(Enum):
    """What a connection has said so far."""

    NOT_ENOUGH = auto()
    REQUEST = auto()
    NO_REQUEST = auto()
    """Something else than an A-ASSOCIATE-RQ."""
    END = auto()
    """It is closed."""


class Greeting:
    """One connection."""

    def __init__(self, connection: socket.socket, peer: tuple[str | int, ...]) -> None:
        """Begin to wait for the request; `peer` is the socket address of the other end."""
        connection.setblocking(False)
        self.connection = connection
        self.peer = peer
        self.deadline = time.monotonic() + ARTIM_SECONDS
        self.received = bytearray()
        self.is_answered = False
        """Whether it was sent away, and only its end is waited for."""

    def read(self) -> Heard:
        """Take what is there."""
        try:
            data = self.connection.recv(64 * 1024)
        except BlockingIOError:
            return Heard.NOT_ENOUGH
        except OSError:
            return Heard.END
        if not data:
            return Heard.END
        if self.is_answered:
            return Heard.NOT_ENOUGH
        self.received += data
        return self._judge()

    def _judge(self) -> Heard:
        if self.received[0] != _ASSOCIATE_RQ:
            return Heard.NO_REQUEST
        if len(self.received) < _HEADER.size:
            return Heard.NOT_ENOUGH
        length = _HEADER.unpack_from(self.received)[2]
        if not _SHORTEST_REQUEST <= length <= LONGEST_REQUEST:
            return Heard.NO_REQUEST
        is_complete = len(self.received) >= _HEADER.size + length
        return Heard.REQUEST if is_complete else Heard.NOT_ENOUGH

    @property
    def address(self) -> str:
        """The IP address that it comes from."""
        return str(self.peer[0])

    @property
    def calling(self) -> Calling:
        """Who asks, and for whom; for a complete request."""
        return Calling(_title(self.received[_CALLING]), _title(self.received[_CALLED]), self.address)

    def take_version(self) -> bool:
        """Tell whether a complete request is of version 1, and leave no other version in it.

        Only bit 0 counts (PS3.8 Table 9-11); pynetdicom takes no others beside it.
        """
        if not self.received[_VERSION.stop - 1] & 1:
            return False
        self.received[_VERSION] = b"\0\1"
        return True

    def write(self, calling: Calling) -> None:
        """Put the AE titles into a complete request as we understand them: pynetdicom takes no NULs."""
        for field, title in ((_CALLED, calling.called_ae_title), (_CALLING, calling.calling_ae_title)):
            self.received[field] = title.encode("ascii").ljust(field.stop - field.start)

    def reject(self, rejection: Rejection) -> None:
        """Answer with an A-ASSOCIATE-RJ (PS3.8 9.3.4)."""
        body = bytes((0, rejection.result, rejection.source, rejection.reason))
        self._answer(_HEADER.pack(0x03, 0, len(body)) + body)

    def abort(self) -> None:
        """Answer with an A-ABORT of the service user (PS3.8 9.3.8; AA-1 in state 2)."""
        self._answer(_HEADER.pack(0x07, 0, 4) + bytes(4))

    def _answer(self, pdu: bytes) -> None:
        self.is_answered = True
        self.received.clear()
        self.deadline = time.monotonic() + ARTIM_SECONDS
        with suppress(OSError):
            self.connection.send(pdu)
            # The end must not overtake the answer, as it would if something is still unread when we close.
            self.connection.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Close the connection."""
        self.connection.close()


def _title(field: bytearray) -> str:
    """Read an AE title (PS3.5 6.2), NULs behind it or not; "?" stands for what must not be in one."""
    text = field.decode("ascii", "replace").strip("\0 ")
    return "".join(one if one.isascii() and one.isprintable() and one != "\\" else "?" for one in text)
