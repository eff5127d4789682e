"""A server that takes everything, and tells of it what it is told to: in reasons, headers and bodies."""

import json
import threading
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Final, Self

LOOPBACK: Final = "127.0.0.1"


class Blabbing:
    """Answers each request with the next of its statuses, the last one again and again; a context manager.

    Attributes:
        url: where it is.
        headers: what it was sent, for each request; names in lower case.
    """

    def __init__(self, words: str, statuses: Sequence[int]) -> None:
        """Listen on a free port of loopback.

        Args:
            words: what it tells.
            statuses: with which statuses.
        """
        self.headers: Final[list[dict[str, str]]] = []
        self._left = [*statuses]
        self._lock = threading.Lock()
        blabbing = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                status = blabbing.take({name.lower(): value for name, value in self.headers.items()})
                body = json.dumps({"error": words}).encode()
                self.send_response(status, words)
                self.send_header("Content-Type", "application/dicom+json")
                self.send_header("Content-Length", str(len(body)))
                for name in ("Warning", "Retry-After", "WWW-Authenticate", "Location", "X-Patient"):
                    self.send_header(name, words)
                self.end_headers()
                self.wfile.write(body)

            def do_POST(self) -> None:
                self.do_GET()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002  http.server's name
                """Write no line for each request."""

        self._server = ThreadingHTTPServer((LOOPBACK, 0), Handler)
        self._server.daemon_threads = True
        self.url: Final = f"http://{LOOPBACK}:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=[0.05])

    def take(self, headers: dict[str, str]) -> int:
        """Note a request, and give the status of its answer."""
        with self._lock:
            self.headers.append(headers)
            return self._left.pop(0) if len(self._left) > 1 else self._left[0]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
