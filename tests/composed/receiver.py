"""Whom a webhook tells: it takes everything, and counts."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Final, Self

from tests.composed.stack import LOOPBACK


class Receiver:
    """An HTTP server on a free port of loopback; a context manager.

    Attributes:
        url: where it takes events.
    """

    def __init__(self) -> None:
        """Listen."""
        self.traceparents: Final[list[str | None]] = []
        """Of each request."""
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                receiver.traceparents.append(self.headers["traceparent"])
                self.send_response(204)
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002  http.server's name
                """Write no line for each request."""

        self._server = ThreadingHTTPServer((LOOPBACK, 0), Handler)
        self._server.daemon_threads = True
        self.url: Final = f"http://{LOOPBACK}:{self._server.server_address[1]}/arrived"
        self._thread = threading.Thread(target=self._server.serve_forever, args=[0.05])

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
