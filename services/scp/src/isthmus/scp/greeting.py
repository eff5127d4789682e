"""A connection whose A-ASSOCIATE-RQ (PS3.8 9.3.2) is not yet complete: it has no thread of its own.

Where TLS is spoken its handshake comes before, on the same terms and within the same time.
"""

import selectors
import socket
import ssl
import struct
import time
from contextlib import suppress
from enum import Enum, auto
from typing import Final, cast

from isthmus.common.dimse.secure_socket import TLS, SecureSocket
from isthmus.common.dimse.sockets import acknowledge
from isthmus.common.dimse.tls import Certificate
from isthmus.common.dimse.tls_fault import in_words
from isthmus.scp.admission import Rejection
from isthmus.scp.callers import Calling

LONGEST_REQUEST: Final = 512 * 1024
"""Bytes: 128 presentation contexts of 40 transfer syntaxes each take 360 KB."""
_SHORTEST_REQUEST: Final = 68
_ASSOCIATE_RQ: Final = 0x01
_HEADER: Final = struct.Struct(">BBL")
_ABORT: Final = _HEADER.pack(0x07, 0, 4) + bytes(4)
_VERSION: Final = slice(6, 8)
_CALLED: Final = slice(10, 26)
_CALLING: Final = slice(26, 42)


class Heard(Enum):
    """What a connection has said so far."""

    NOT_ENOUGH = auto()
    REQUEST = auto()
    NO_REQUEST = auto()
    """Something else than an A-ASSOCIATE-RQ."""
    NO_TLS = auto()
    """The handshake failed; `failure` says why."""
    END = auto()
    """It is closed."""


class Greeting:
    """One connection."""

    def __init__(self, connection: socket.socket, peer: tuple[str | int, ...], seconds: float) -> None:
        """Begin to wait for the request.

        Args:
            connection: the connection.
            peer: the socket address of the other end.
            seconds: for the request to come, and after a rejection for the requestor to close.
        """
        self._seconds = seconds
        connection.setblocking(False)
        self.connection = connection
        self.peer = peer
        self.deadline = time.monotonic() + self._seconds
        self.received = bytearray()
        self.is_answered = False
        """Whether it was sent away, and only its end is waited for."""
        self.failure = ""
        """Why there is no TLS, or no request, in words."""
        self.awaits = selectors.EVENT_READ
        """What the connection must be ready for, for something to go on."""
        self._certificate: Certificate | None = None
        self._is_shaking = isinstance(connection, SecureSocket)
        self._has_begun = False

    def read(self) -> Heard:
        """Take what is there."""
        try:
            if self.is_answered:
                return Heard.NOT_ENOUGH if _drop(self.connection) else Heard.END
            if self._is_shaking and not self._shake():
                return Heard.NO_TLS if self.failure else Heard.NOT_ENOUGH
            data = self.connection.recv(64 * 1024)  # more than a TLS record: nothing is left decrypted
            acknowledge(self.connection)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return Heard.NOT_ENOUGH
        except OSError:
            return Heard.END
        if not data:
            return Heard.END
        self.received += data
        return self._judge()

    def _shake(self) -> bool:
        """Go on with the handshake, and tell whether it is done.

        Raises:
            OSError: it ended before it began, or nothing is there.
        """
        connection = cast("SecureSocket", self.connection)
        if not self._has_begun and connection.begins_in_clear():
            self.failure = "it speaks no TLS"
            return False
        self._has_begun = True
        try:
            acknowledge(connection)  # DCMTK holds the end of a flight back until its beginning is
            connection.do_handshake()
            self._certificate = Certificate.of(connection)
        except ssl.SSLWantReadError:
            self.awaits = selectors.EVENT_READ
            return False
        except ssl.SSLWantWriteError:
            self.awaits = selectors.EVENT_WRITE
            return False
        except OSError as error:
            self.failure = in_words(error)
            return False
        except ValueError:  # of who reads a certificate that OpenSSL has taken
            self.failure = "its certificate cannot be read"
            return False
        self.awaits = selectors.EVENT_READ
        self._is_shaking = False
        return True

    def _judge(self) -> Heard:
        if self.received[0] != _ASSOCIATE_RQ:
            in_clear = not isinstance(self.connection, SecureSocket)
            is_tls = in_clear and self.received[:1] == TLS
            self.failure = "it speaks TLS, on the port without" if is_tls else "it does not speak DICOM"
            return Heard.NO_REQUEST
        if len(self.received) < _HEADER.size:
            return Heard.NOT_ENOUGH
        length = _HEADER.unpack_from(self.received)[2]
        if not _SHORTEST_REQUEST <= length <= LONGEST_REQUEST:
            self.failure = "no request is so short or so long"
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
        return Calling(
            _title(self.received[_CALLING]),
            _title(self.received[_CALLED]),
            self.address,
            None if self._certificate is None else self._certificate.subject,
            () if self._certificate is None else self._certificate.names,
        )

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
        self._answer(_ABORT)

    def turn_away(self) -> None:
        """Send away whom TLS failed with: it has its alert (RFC 8446 6.2), or is answered in clear."""
        self._answer(b"" if self._has_begun else _ABORT)

    def _answer(self, pdu: bytes) -> None:
        self.is_answered = True
        self.awaits = selectors.EVENT_READ
        self.received.clear()
        self.deadline = time.monotonic() + self._seconds
        with suppress(OSError):
            if isinstance(self.connection, SecureSocket) and not self._is_shaking:
                self.connection.send(pdu)
                self.connection.farewell()
            else:
                socket.socket.send(self.connection, pdu)
            # The end must not overtake the answer, as it would if something is still unread when we close.
            self.connection.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Close the connection."""
        self.connection.close()


def _drop(connection: socket.socket) -> bool:
    """Drop what comes from whom nothing is heard any more, encrypted or not; tell whether more may come."""
    return bool(socket.socket.recv(connection, 64 * 1024))


def _title(field: bytearray) -> str:
    """Read an AE title (PS3.5 6.2), NULs behind it or not; "?" stands for what must not be in one."""
    text = field.decode("ascii", "replace").strip("\0 ")
    return "".join(one if one.isascii() and one.isprintable() and one != "\\" else "?" for one in text)
