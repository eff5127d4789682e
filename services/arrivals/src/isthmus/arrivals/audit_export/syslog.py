"""Messages to a syslog server (RFC 5424): in counted frames over TCP (RFC 6587 3.4.1) or TLS (RFC 5425)."""

import array
import asyncio
import fcntl
import os
import socket
import ssl
import termios
from collections.abc import Iterable
from contextlib import suppress
from typing import Final

from isthmus.common.config.audit import Syslog
from isthmus.common.config.certificates import client_context

PRIORITY: Final = 10 * 8 + 5
"""Facility 10 (security and authorization), severity notice (PS3.15 A.6, RFC 5424 6.2.1)."""
MESSAGE_ID: Final = "DICOM+RFC3881"
"""MSGID (PS3.15 A.6)."""
_BOM: Final = b"\xef\xbb\xbf"
"""What a message in UTF-8 begins with (RFC 5424 6.4)."""
LOOK_SECONDS: Final = 0.001
"""Between two looks at what is still on its way: nobody tells."""
_CLOSE_SECONDS: Final = 1.0


class SyslogAway(Exception):
    """The server cannot be reached, or does not take what is sent; the text says why."""


def frame(time: str, message: bytes, host: str, application: str, process: int) -> bytes:
    """Write one message with its length before it.

    Args:
        time: RFC 3339, of what happened.
        message: in UTF-8.
        host: HOSTNAME (RFC 5424 6.2.4).
        application: APP-NAME.
        process: PROCID.
    """
    header = f"<{PRIORITY}>1 {time} {_field(host, 255)} {_field(application, 48)} {process} {MESSAGE_ID} - "
    whole = header.encode() + _BOM + message
    return str(len(whole)).encode() + b" " + whole


def _field(text: str, longest: int) -> str:
    """Write what a field of the header may be: printable ASCII without blanks, or `-`."""
    return "".join(one if "!" <= one <= "~" else "_" for one in text)[:longest] or "-"


class SyslogConnection:
    """The connection to a server, which is opened when it is needed and not there."""

    def __init__(self, settings: Syslog, application: str) -> None:
        self._settings = settings
        self._application = application
        self._host = socket.gethostname()
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def send(self, messages: Iterable[tuple[str, bytes]]) -> None:
        """Send messages, each with its time, and wait until the server's system has them all.

        Syslog has no acknowledgements (RFC 5425 5.4); those of TCP tell at least that they arrived there.

        Raises:
            SyslogAway: not all of them were taken: those that were come twice when they are sent again.
        """
        try:
            async with asyncio.timeout(self._settings.timeout_seconds):
                writer = await self._opened()
                for time, message in messages:
                    writer.write(frame(time, message, self._host, self._application, os.getpid()))
                    await writer.drain()
                await self._taken(writer)
        except (OSError, ValueError, TimeoutError) as error:
            await self.close()
            raise SyslogAway(_why(error)) from None

    async def _opened(self) -> asyncio.StreamWriter:
        if self._reader is None or self._writer is None or self._is_over():
            await self.close()
            settings = self._settings
            self._reader, self._writer = await asyncio.open_connection(
                settings.host, settings.port, ssl=_context(settings)
            )
        return self._writer

    def _is_over(self) -> bool:
        """Tell whether the server has closed the connection, or it is lost."""
        reader, writer = self._reader, self._writer
        return reader is None or writer is None or reader.at_eof() or writer.is_closing()

    async def _taken(self, writer: asyncio.StreamWriter) -> None:
        """Wait until nothing is in our buffers any more, nor on its way."""
        transport = writer.transport
        connection: socket.socket = writer.get_extra_info("socket")
        while True:
            if self._is_over():
                raise ConnectionResetError("the server has closed the connection")
            if not transport.get_write_buffer_size() and not _unacknowledged(connection.fileno()):
                return
            await asyncio.sleep(LOOK_SECONDS)

    async def close(self) -> None:
        """Close the connection, if there is one."""
        writer, self._reader, self._writer = self._writer, None, None
        if writer is None:
            return
        writer.close()
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(_CLOSE_SECONDS):
                await writer.wait_closed()


def _unacknowledged(descriptor: int) -> int:
    """Count the bytes that the peer's system has not acknowledged (tcp(7), SIOCOUTQ)."""
    count = array.array("i", [0])
    fcntl.ioctl(descriptor, termios.TIOCOUTQ, count)
    return count[0]


def _context(settings: Syslog) -> ssl.SSLContext | None:
    """Make the context of a connection; anew for each, so that files that have changed count.

    Raises:
        ValueError: a file cannot be read.
    """
    tls = settings.peer_tls
    return None if tls is None else client_context(tls)


def _why(error: Exception) -> str:
    """Say why a server is away, without what it sent."""
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, ssl.SSLError):
        return (error.reason or "TLS failed").lower().replace("_", " ")
    if isinstance(error, OSError):
        return error.strerror or str(error) or type(error).__name__
    return str(error)
