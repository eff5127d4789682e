"""A client of WADO-RS that reads in a thread of its own, while a test does harm."""

import threading
from dataclasses import dataclass

import httpx2

from tests.system.multipart import INSTANCES, datasets, datasets_of_broken
from tests.waiting import PATIENCE


@dataclass(frozen=True)
class Answer:
    """What a client has in the end."""

    status: int
    headers: httpx2.Headers
    body: bytes
    whole: bool
    """Whether the body came to the end that its framing announces."""

    @property
    def datasets(self) -> dict[str, bytes]:
        """The raw data sets of the instances that came whole; raises ValueError for a body with bad form."""
        read = datasets if self.whole else datasets_of_broken
        return read(self.body, self.headers["content-type"])

    @property
    def trace_id(self) -> str:
        return self.headers["traceresponse"].split("-")[1]


class Client:
    """Retrieves one resource; begins at once."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._body = bytearray()
        self._parts = 0
        self._answer: Answer | None = None
        self._failure: Exception | None = None
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def wait_for(self, instances: int) -> None:
        """Wait until so many instances have come whole."""
        with self._changed:
            held = self._changed.wait_for(
                lambda: self._parts > instances or not self._thread.is_alive(), PATIENCE
            )
            assert held, f"only {self._parts - 1} instances came"
            assert self._parts > instances, f"ended with {self._answer or self._failure!r}"

    def answer(self) -> Answer:
        """Wait for the end, and give what has come."""
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive(), f"no end; {self._parts - 1} instances came"
        if self._failure is not None:
            raise self._failure
        assert self._answer is not None
        return self._answer

    def _run(self) -> None:
        try:
            answer = self._read()
        except Exception as error:  # noqa: BLE001  (the edge of the thread: raised where the answer is wanted)
            self._failure = error
        else:
            self._answer = answer
        with self._changed:
            self._changed.notify_all()

    def _read(self) -> Answer:
        headers = {"Accept": INSTANCES}
        whole = True
        with (
            httpx2.Client(timeout=httpx2.Timeout(PATIENCE), trust_env=False) as http,
            http.stream("GET", self._url, headers=headers) as response,
        ):
            boundary = response.headers.get("content-type", "").rpartition("boundary=")[2].strip('"')
            delimiter = b"--" + boundary.encode()
            try:
                for chunk in response.iter_raw():
                    self._take(chunk, delimiter)
            except (httpx2.RemoteProtocolError, httpx2.ReadError):
                whole = False
            return Answer(response.status_code, response.headers, bytes(self._body), whole)

    def _take(self, chunk: bytes, delimiter: bytes) -> None:
        begin = max(0, len(self._body) - len(delimiter) + 1)
        self._body += chunk
        parts = self._body.count(delimiter, begin)
        if parts:
            with self._changed:
                self._parts += parts
                self._changed.notify_all()
