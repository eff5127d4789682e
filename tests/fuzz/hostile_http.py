"""Requests that no client would send, at a running gateway."""

import random
import socket
from collections.abc import Iterator, Sequence
from typing import Final

from tests.data_sets import Identity
from tests.documents.openapi import document
from tests.documents.openapi_parts import Json
from tests.fuzz.mutations import mutated

SECONDS: Final = 20.0
_BOUNDARY: Final = "b"
_HOST: Final = b"Host: gateway\r\nConnection: close\r\n"
_PATIENCE: Final = 0.3
"""Seconds after which a request is over that has no end: a proxy waits for more of it."""
_SHOWN: Final = 1000
_OF_THE_PROXY: Final = frozenset({501, 505})
"""What Caddy answers to a Transfer-Encoding that nobody knows, and to another version of HTTP."""


def requests(origin: str, who: Identity, keeper: str, file: bytes) -> Sequence[bytes]:
    """Give a good request of each operation, and some that store.

    Args:
        origin: has the instance.
        who: the instance.
        keeper: the origin that takes what is stored.
        file: another instance: of the first one what is damaged would be read.
    """
    values = {
        "{origin}": origin,
        "{study}": who.study_instance_uid,
        "{series}": who.series_instance_uid,
        "{instance}": who.sop_instance_uid,
        "{frames}": "1",
        "{path}": "7FE00010",
    }
    found = []
    for path, operations in _paths():
        for name, value in values.items():
            path = path.replace(name, value)  # noqa: PLW2901 - the path with its values
        for method in operations:
            if method == "get":
                query = "?accept=*/*&limit=1&viewport=32,32&PatientID=A*"
                found.append(f"GET {path}{query} HTTP/1.1\r\n".encode() + _HOST + b"Accept: */*\r\n\r\n")
            elif method == "options":
                found.append(f"OPTIONS {path} HTTP/1.1\r\n".encode() + _HOST + b"\r\n")
    return [*found, *_stores(keeper, file)]


def _paths() -> Iterator[tuple[str, Json]]:
    paths = document()["paths"]
    assert isinstance(paths, dict)
    for path, operations in paths.items():
        if path not in {"/healthz", "/readyz", "/metrics"}:
            yield path, operations


def _stores(origin: str, file: bytes) -> Iterator[bytes]:
    metadata = b'[{"00080018":{"vr":"UI","Value":["1.2.3"]},"7FE00010":{"vr":"OW","BulkDataURI":"p"}}]'
    parts = {
        "application/dicom": file,
        "application/dicom+json": metadata,
        "application/dicom+xml": b"<NativeDicomModel><DicomAttribute tag='00080018'/></NativeDicomModel>",
    }
    for media_type, content in parts.items():
        part = f"Content-Type: {media_type}\r\n\r\n".encode() + content
        body = f"--{_BOUNDARY}\r\n".encode() + part + f"\r\n--{_BOUNDARY}--\r\n".encode()
        head = (
            f"POST /aets/{origin}/studies HTTP/1.1\r\n".encode()
            + _HOST
            + f'Content-Type: multipart/related; type="{media_type}"; boundary={_BOUNDARY}\r\n'.encode()
        )
        yield head + f"Content-Length: {len(body)}\r\n\r\n".encode() + body
        yield (
            head
            + b"Transfer-Encoding: chunked\r\n\r\n"
            + f"{len(body):x}\r\n".encode()
            + body
            + b"\r\n0\r\n\r\n"
        )


def hostile(seeds: Sequence[bytes], chance: random.Random) -> bytes:
    """Make a request that is none: of half of them the body alone, so that more than a proxy sees it."""
    seed = chance.choice(seeds)
    head, end, body = seed.partition(b"\r\n\r\n")
    if body and chance.random() < 0.5:
        body = mutated(body, seeds, chance)
        if b"Content-Length" in head:
            head = head[: head.index(b"Content-Length")] + f"Content-Length: {len(body)}".encode()
        return head + end + body
    line, newline, headers = seed.partition(b"\r\n")
    if chance.random() < 0.5:
        method, _, rest = line.partition(b" ")
        target, _, version = rest.rpartition(b" ")
        target = b"/" + mutated(target[1:], seeds, chance)
        target = target.translate(None, b"\r\n \0")  # one that a proxy takes for one
        return b" ".join((method, target, version)) + newline + headers
    return mutated(seed, seeds, chance)


def asked(address: tuple[str, int], request: bytes) -> list[tuple[int, bytes]]:
    """Send a request, and no more than it; give the status of each answer, and how it goes on.

    Raises:
        AssertionError: the connection stays open without an answer.
    """
    with socket.create_connection(address, timeout=SECONDS) as connection:
        try:
            connection.sendall(request)
            answered = _until_its_end(connection)
        except TimeoutError:
            raise AssertionError(f"no answer, and no end: {request[:500]!r}") from None
        except OSError:  # it was closed before all was sent
            return []
    answers = answered.split(b"HTTP/1.1 ")[1:]
    return [(int(answer[:3]), answer[:_SHOWN]) for answer in answers if answer[:3].isdigit()]


def _until_its_end(connection: socket.socket) -> bytes:
    """Read; who is still waiting for more of the request is told that there is none."""
    answered = b""
    connection.settimeout(_PATIENCE)
    while True:
        try:
            piece = connection.recv(65536)
        except TimeoutError:
            if connection.gettimeout() == SECONDS:
                raise
            connection.settimeout(SECONDS)
            connection.shutdown(socket.SHUT_WR)
        else:
            if not piece:
                return answered
            answered += piece


def is_ours(status: int) -> bool:
    """Tell whether a status says that the gateway failed."""
    return status >= 500 and status not in _OF_THE_PROXY
