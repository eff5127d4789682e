"""A real S3, one for all tests of this folder, and a way to it that breaks."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from uuid import uuid4

import pytest

from isthmus.cli.embedded import EmbeddedS3
from isthmus.common.blobs import BlobStore
from isthmus.common.threads import Threads


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedS3]:
    with asyncio.Runner() as runner:
        server = EmbeddedS3(tmp_path_factory.mktemp("s3"))
        runner.run(server.__aenter__())
        yield server
        runner.run(server.__aexit__(None, None, None))


@pytest.fixture
def threads() -> Iterator[Threads]:
    threads = Threads("test-s3", 4)
    yield threads
    threads.close()


@pytest.fixture
def store(s3: EmbeddedS3, threads: Threads) -> Iterator[BlobStore]:
    store = BlobStore(s3.endpoint, s3.access_key, s3.secret_key, s3.bucket, threads=threads)
    yield store
    store.close()


class Way:
    """A TCP relay to S3; a connection breaks after `allowance` bytes of answers, while `breaks` are left."""

    def __init__(self, target: str) -> None:
        host, _, port = target.partition(":")
        self._target = (host, int(port))
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.endpoint = f"127.0.0.1:{self._listening.getsockname()[1]}"
        self.allowance = 0
        self.breaks = 0
        self._clients: set[socket.socket] = set()
        self._changed = threading.Condition()
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                with self._changed:
                    self._clients.add(client)
                self._threads.append(threading.Thread(target=self._serve, args=(client,)))
                self._threads[-1].start()

    def _serve(self, client: socket.socket) -> None:
        with client, socket.create_connection(self._target) as server:
            upwards = threading.Thread(target=self._relay, args=(client, server))
            upwards.start()
            self._relay(server, client, breaks=True)
            upwards.join()
        with self._changed:
            self._clients.remove(client)
            self._changed.notify_all()

    def _relay(self, here: socket.socket, there: socket.socket, *, breaks: bool = False) -> None:
        passed = 0
        with suppress(OSError):
            while data := here.recv(16384):
                passed += len(data)
                if breaks and self.breaks and passed > self.allowance:
                    self.breaks -= 1
                    break
                there.sendall(data)
        for end in (here, there):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def wait_until_closed(self) -> bool:
        """Wait until no client is connected."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._clients, timeout=10)

    def close(self) -> None:
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        with self._changed:
            for client in self._clients:
                with suppress(OSError):
                    client.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)
        self._listening.close()


@pytest.fixture
def way(s3: EmbeddedS3) -> Iterator[Way]:
    way = Way(s3.endpoint)
    yield way
    way.close()


@pytest.fixture
def store_behind(s3: EmbeddedS3, way: Way, threads: Threads) -> Iterator[BlobStore]:
    """The same bucket, reached by the way that breaks."""
    store = BlobStore(way.endpoint, s3.access_key, s3.secret_key, s3.bucket, threads=threads, deadline=10)
    yield store
    store.close()


def new_key() -> str:
    return f"test/{uuid4()}.dcm"
