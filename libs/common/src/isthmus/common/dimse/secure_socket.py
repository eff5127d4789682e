"""A TLS connection that never says a word in clear, and ends as TLS wants it."""

import socket
import ssl
from contextlib import suppress
from typing import Final

TLS: Final = b"\x16"
"""What TLS begins with: a record of type handshake (RFC 8446 5.1)."""


class SecureSocket(ssl.SSLSocket):
    """One end of it; contexts make it as their `sslsocket_class`."""

    failure: OSError | None = None
    """Why the handshake failed."""

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
        """Say that nothing follows (RFC 8446 6.1), without waiting; for the thread that sends."""
        with suppress(OSError, ValueError):
            self.settimeout(0)
            self.unwrap()
        with suppress(OSError):
            self.shutdown(socket.SHUT_WR)

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
