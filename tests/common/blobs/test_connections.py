"""Requests over connections of our own, against servers that answer as they are told."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import Final

import pytest

from isthmus.common.blobs.connections import Answer, Connections, Reply
from isthmus.common.blobs.refusal import Refused

CERTIFICATE: Final = Path(__file__).parent / "localhost.pem"
"""For 127.0.0.1, signed by itself, with its key: it protects nothing."""

Serve = Callable[..., "Served"]


class Served:
    """A server; each connection gets its answers one after another, and is closed then."""

    def __init__(self, connections: Sequence[Sequence[bytes]], tls: ssl.SSLContext | None) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._tls = tls
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self._listening.getsockname()[1]}/blob?a=b"
        self.accepted = 0
        self.requests: list[bytes] = []
        self.closed = [threading.Event() for _ in connections]
        self._thread = threading.Thread(target=self._serve, args=(connections,))
        self._thread.start()

    def _serve(self, connections: Sequence[Sequence[bytes]]) -> None:
        for answers, closed in zip(connections, self.closed, strict=True):
            with suppress(OSError):
                connection, _ = self._listening.accept()
                self.accepted += 1
                with self._tls.wrap_socket(connection, server_side=True) if self._tls else connection as way:
                    for answer in answers:
                        self.requests.append(way.recv(65536))
                        way.sendall(answer)
                    if answers[-1:] == [STAYS]:
                        way.recv(65536)
            closed.set()

    def close(self) -> None:
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._thread.join(10)
        self._listening.close()


STAYS: Final = b""
"""As the last answer: the server stays silent, and waits for the client to close."""


def answer(body: bytes, *, status: str = "200 OK", headers: str = "") -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{headers}\r\n".encode() + body


@pytest.fixture
def serve() -> Iterator[Serve]:
    with ExitStack() as stack:

        def start(*connections: Sequence[bytes], tls: ssl.SSLContext | None = None) -> Served:
            served = Served(connections, tls)
            stack.callback(served.close)
            return served

        yield start


@pytest.fixture
def connections() -> Iterator[Connections]:
    connections = Connections(2)
    yield connections
    connections.close()


@contextmanager
def got(connections: Connections, url: str, patience: float = 5) -> Iterator[Reply]:
    reply = connections.get(url, {}, connect=5, patience=patience)
    try:
        yield reply
    finally:
        reply.close()


class TestNoBody:
    @pytest.mark.parametrize(
        ("sent", "code"),
        [
            pytest.param(b"HTTP/1.1 200 OK\r\n\r\nbody", "NoContentLength", id="no length"),
            pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: -4\r\n\r\nbody", "NoHTTP", id="no number"),
            pytest.param(b"SSH-2.0-OpenSSH_9.2\r\n\r\n", "NoHTTP", id="another protocol"),
            pytest.param(
                b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 20_000, "HeadTooLong", id="no end of the head"
            ),
        ],
    )
    def test_what_is_no_answer_of_a_server_is_refused(
        self, serve: Serve, connections: Connections, sent: bytes, code: str
    ) -> None:
        served = serve([sent, STAYS])
        with pytest.raises(Refused) as refused:
            connections.get(served.url, {}, connect=5, patience=5)
        assert (refused.value.status, refused.value.code) == (500, code)
        assert served.closed[0].wait(20)

    def test_a_refusal_says_why(self, serve: Serve, connections: Connections) -> None:
        chunks = b"13\r\n<Code>NoSuchKey</Co\r\n3\r\nde>\r\n0\r\n\r\n"
        chunked = b"HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks
        served = serve([chunked])
        with pytest.raises(Refused) as refused:
            connections.get(served.url, {}, connect=5, patience=5)
        assert (refused.value.status, refused.value.code) == (404, "NoSuchKey")

    def test_a_connection_that_is_closed_before_the_answer(
        self, serve: Serve, connections: Connections
    ) -> None:
        served = serve([b"HTTP/1.1 200"])
        with pytest.raises(ConnectionResetError):
            connections.get(served.url, {}, connect=5, patience=5)

    def test_a_server_that_is_silent(self, serve: Serve, connections: Connections) -> None:
        served = serve([STAYS])
        with pytest.raises(TimeoutError):
            connections.get(served.url, {}, connect=5, patience=0.1)
        assert served.closed[0].wait(20)


class TestBodyThatBreaksOff:
    def test_a_connection_that_breaks_is_no_end(self, serve: Serve, connections: Connections) -> None:
        served = serve([answer(bytes(100_000))[:-1]])
        with got(connections, served.url) as reply, pytest.raises(ConnectionResetError):
            reply.read(200_000)

    def test_a_server_that_falls_silent(self, serve: Serve, connections: Connections) -> None:
        served = serve([answer(b"begun")[:-1], STAYS])
        with got(connections, served.url, 0.1) as reply, pytest.raises(TimeoutError):
            reply.read(5)
        assert served.closed[0].wait(20)

    def test_a_reader_that_leaves_closes_the_connection(self, serve: Serve, connections: Connections) -> None:
        served = serve([answer(bytes(100_000)), STAYS])
        with got(connections, served.url) as reply:
            reply.read(10)
        assert served.closed[0].wait(20)


class TestBody:
    def test_it_comes_in_the_sizes_that_are_asked_for(self, serve: Serve, connections: Connections) -> None:
        body = bytes(range(256)) * 2000
        served = serve([answer(body)])
        with got(connections, served.url) as reply:
            assert reply.length == len(body)
            assert [reply.read(10), reply.read(300_000), reply.read(len(body))] == [
                body[:10],
                body[10:300_010],
                body[300_010:],
            ]
            assert reply.read(1) == b""

    def test_the_request_says_what_is_wanted(self, serve: Serve, connections: Connections) -> None:
        served = serve([answer(b"", status="206 Partial Content")])
        reply = connections.get(served.url, {"Range": "bytes=3-5"}, connect=5, patience=5)
        reply.close()
        assert reply.status == 206
        (request,) = served.requests
        head, *headers = request.decode().split("\r\n")
        assert head == "GET /blob?a=b HTTP/1.1"
        assert "Range: bytes=3-5" in headers

    def test_tls_is_for_servers_that_are_trusted(
        self, serve: Serve, connections: Connections, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(CERTIFICATE)
        served = serve([], [answer(b"body")], tls=tls)
        with pytest.raises(ssl.SSLCertVerificationError):
            connections.get(served.url, {}, connect=5, patience=5)
        monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))
        with closing(Connections(1)) as trusting, got(trusting, served.url) as reply:
            assert reply.read(4) == b"body"


class TestConnectionsAreKept:
    def test_one_whose_body_was_read_serves_the_next_request(
        self, serve: Serve, connections: Connections
    ) -> None:
        served = serve([answer(b"one"), answer(b"two")])
        for expected in (b"one", b"two"):
            with got(connections, served.url) as reply:
                assert reply.read(3) == expected
        assert served.accepted == 1

    def test_a_refusal_is_the_end_of_no_connection(self, serve: Serve, connections: Connections) -> None:
        served = serve([answer(b"", status="404 Not Found"), answer(b"two")])
        with pytest.raises(Refused):
            connections.get(served.url, {}, connect=5, patience=5)
        with got(connections, served.url) as reply:
            assert reply.read(3) == b"two"
        assert served.accepted == 1

    def test_one_that_the_server_has_closed_is_replaced(self, serve: Serve, connections: Connections) -> None:
        served = serve([answer(b"one")], [answer(b"two")])
        with got(connections, served.url) as reply:
            reply.read(3)
        assert served.closed[0].wait(20)
        with got(connections, served.url) as reply:
            assert reply.read(3) == b"two"

    def test_one_that_the_server_will_close_is_not_kept(self, serve: Serve, connections: Connections) -> None:
        served = serve([answer(b"one", headers="Connection: close\r\n"), STAYS])
        with got(connections, served.url) as reply:
            reply.read(3)
        assert served.closed[0].wait(20)

    def test_one_on_which_more_came_than_was_announced_is_not_kept(
        self, serve: Serve, connections: Connections
    ) -> None:
        served = serve([answer(b"one") + b"more", STAYS])
        with got(connections, served.url) as reply:
            assert reply.read(10) == b"one"
        assert served.closed[0].wait(20)

    def test_those_beyond_the_bound_are_closed(self, serve: Serve) -> None:
        served = serve([answer(b"one"), STAYS])
        with got(Connections(0), served.url) as reply:
            reply.read(3)
        assert served.closed[0].wait(20)

    def test_none_is_kept_after_the_end(self, serve: Serve, connections: Connections) -> None:
        served = serve([answer(b"one"), STAYS])
        with got(connections, served.url) as reply:
            connections.close()
            assert reply.read(3) == b"one"
        assert served.closed[0].wait(20)


def put(connections: Connections, url: str, *pieces: bytes, patience: float = 5) -> Answer:
    headers = {"Content-Length": str(sum(map(len, pieces)))}
    return connections.exchange("PUT", url, headers, map(memoryview, pieces), connect=5, patience=patience)


class TestExchange:
    def test_the_request_says_what_is_sent(self, serve: Serve, connections: Connections) -> None:
        served = serve([answer(b"", headers='ETag: "abc"\r\n'), STAYS])
        answered = put(connections, served.url, b"one", b"two")
        assert answered.headers[b"etag"] == b'"abc"'
        assert served.requests[0].startswith(b"PUT /blob?a=b HTTP/1.1\r\n")
        assert b"\r\nContent-Length: 6\r\n" in served.requests[0]

    def test_an_answer_may_come_in_chunks(self, serve: Serve, connections: Connections) -> None:
        served = serve(
            [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n"]
        )
        assert put(connections, served.url).body == b"onetwo"

    def test_a_refusal_says_why(self, serve: Serve, connections: Connections) -> None:
        served = serve([answer(b"<Error><Code>AccessDenied</Code></Error>", status="403 Forbidden")])
        with pytest.raises(Refused) as refused:
            put(connections, served.url)
        assert (refused.value.status, refused.value.code) == (403, "AccessDenied")

    def test_a_refusal_behind_a_success(self, serve: Serve, connections: Connections) -> None:
        served = serve([answer(b"<?xml?>\n<Error><Code>InternalError</Code></Error>")])
        with pytest.raises(Refused) as refused:
            put(connections, served.url)
        assert (refused.value.status, refused.value.code) == (500, "InternalError")

    @pytest.mark.parametrize(
        ("status", "error"), [("403 Forbidden", Refused), ("200 OK", ConnectionResetError)]
    )
    def test_who_hangs_up_before_it_has_the_body_has_not_taken_it(
        self, connections: Connections, status: str, error: type[Exception]
    ) -> None:
        with closing(socket.create_server(("127.0.0.1", 0))) as listening:
            url = f"http://127.0.0.1:{listening.getsockname()[1]}/blob"
            accepted: list[socket.socket] = []

            def pieces() -> Iterator[memoryview]:
                accepted.append(listening.accept()[0])
                while b"\r\n\r\n" not in accepted[0].recv(65536):
                    pass
                accepted[0].sendall(answer(b"", status=status))
                accepted[0].close()
                while True:  # until the kernel says that nobody is there
                    yield memoryview(bytes(100_000))

            with pytest.raises(error):
                connections.exchange("PUT", url, {}, pieces(), connect=5, patience=5)

    def test_a_server_that_takes_nothing(self, connections: Connections) -> None:
        with closing(socket.create_server(("127.0.0.1", 0))) as listening:
            url = f"http://127.0.0.1:{listening.getsockname()[1]}/blob"
            with pytest.raises(TimeoutError):
                put(connections, url, *[bytes(1_000_000)] * 20, patience=0.2)

    def test_an_answer_without_end(self, serve: Serve, connections: Connections) -> None:
        served = serve([answer(bytes(3_000_000)), STAYS])
        with pytest.raises(Refused) as refused:
            put(connections, served.url)
        assert refused.value.code == "AnswerTooLong"
        assert served.closed[0].wait(20)

    def test_its_connection_serves_the_next_request(self, serve: Serve, connections: Connections) -> None:
        served = serve([answer(b""), answer(b"<Code>A</Code>", status="404 Not Found"), answer(b"two")])
        put(connections, served.url)
        with pytest.raises(Refused):
            put(connections, served.url)
        with got(connections, served.url) as reply:
            assert reply.read(3) == b"two"
        assert served.accepted == 1
