"""A TLS connection that never says a word in clear, and ends as TLS wants it."""

import socket
import ssl
from contextlib import suppress
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer

TLS: Final = b"\x16"
"""What TLS begins with: a record of type handshake (RFC 8446 5.1)."""


class SecureSocket(ssl.SSLSocket):
    """One end of it; contexts make it as their `sslsocket_class`."""

    failure: OSError | None = None
    """Why the handshake failed."""
    _is_over = False

    def do_handshake(self, block: bool = False) -> None:
        """Do it, or as much of it as can be done now; keeps the failure, for those who hide it."""
        try:
            super().do_handshake(block)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise
        except OSError as error:
            self.failure = error
            raise

    def shutdown(self, how: int) -> None:
        """Shut the connection down below TLS, as any thread may.

        The standard library's own takes TLS off first: what another thread is about to send would then leave
        in clear, and what is still to be read would be taken for clear text.
        """
        socket.socket.shutdown(self, how)

    def close(self) -> None:
        """Close it; first nothing can be sent any more, for closing too takes TLS off."""
        with suppress(OSError):
            self.shutdown(socket.SHUT_RDWR)
        super().close()

    def farewell(self) -> None:
        """Say that nothing follows (RFC 8446 6.1), without waiting; for the thread that sends and reads.

        Nothing is heard any more either: what a peer says after its own farewell is in clear.
        """
        self._is_over = True
        with suppress(OSError, ValueError):
            self.settimeout(0)
            self.unwrap()
        with suppress(OSError):
            self.shutdown(socket.SHUT_WR)

    def send(self, data: "ReadableBuffer", flags: int = 0) -> int:
        """Send as much as goes; nothing after the farewell.

        Raises:
            OSError: the connection takes nothing.
        """
        if self._is_over:
            raise BrokenPipeError
        return super().send(data, flags)

    def recv(self, buflen: int = 1024, flags: int = 0) -> bytes:
        """Give what is there, up to so much; nothing after the end."""
        return b"" if self._is_over else super().recv(buflen, flags)

    def recv_into(self, buffer: "WriteableBuffer", nbytes: int | None = None, flags: int = 0) -> int:
        """Read what is there, as far as there is room; nothing after the end."""
        return 0 if self._is_over else super().recv_into(buffer, nbytes, flags)

    def begins_in_clear(self) -> bool:
        """Tell whether what the peer has sent first is no TLS; before the handshake, and without taking it.

        Raises:
            BlockingIOError: it has sent nothing yet.
            ConnectionError: it has closed.
        """
        first = socket.socket.recv(self, 1, socket.MSG_PEEK)
        if not first:
            raise ConnectionResetError
        return first != TLS
