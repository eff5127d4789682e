"""Between a gateway and its PACS: a TCP relay that counts what the PACS sends.

The kernel moves the bytes (splice(2)), so that it costs next to nothing beside the transfer itself.
"""

import os
import socket
from contextlib import suppress
from threading import Lock, Thread
from types import TracebackType
from typing import Final, Self

from tests.peers.process import LOOPBACK, Peer

_PIECE: Final = 1024 * 1024


class Meter:
    """Relays to a PACS; a context manager.

    Attributes:
        peer: where the relay listens, under the PACS's own AE title.
    """

    def __init__(self, pacs: Peer) -> None:
        self._pacs = pacs
        self._listener = socket.create_server((LOOPBACK, 0))
        self.peer: Final = Peer(pacs.ae_title, LOOPBACK, self._listener.getsockname()[1])
        self._lock = Lock()
        self._sent = 0
        self._open: set[socket.socket] = set()
        self._threads = [Thread(target=self._accept)]

    @property
    def sent(self) -> int:
        """How many bytes the PACS has sent so far."""
        with self._lock:
            return self._sent

    def _accept(self) -> None:
        with suppress(OSError):  # the listener is shut down at the end
            while True:
                self._relay(self._listener.accept()[0])

    def _relay(self, client: socket.socket) -> None:
        pacs = socket.create_connection((self._pacs.host, self._pacs.port))
        self._open |= {client, pacs}
        for source, target, counted in ((client, pacs, False), (pacs, client, True)):
            source.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            thread = Thread(target=self._move, args=(source, target, counted))
            thread.start()
            self._threads.append(thread)

    def _move(self, source: socket.socket, target: socket.socket, counted: bool) -> None:
        reader, writer = os.pipe()
        try:
            with suppress(OSError):  # either side may break off
                while count := os.splice(source.fileno(), writer, _PIECE):
                    # PDUs come in two writes; without this each would wait for a delayed acknowledgement.
                    source.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
                    with self._lock:
                        self._sent += count if counted else 0
                    while count:
                        count -= os.splice(reader, target.fileno(), count)
        finally:
            os.close(reader)
            os.close(writer)
            with suppress(OSError):
                target.shutdown(socket.SHUT_WR)

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._threads[0].join()
        for connection in self._open:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads[1:]:
            thread.join()
        for connection in self._open:
            connection.close()
