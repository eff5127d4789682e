"""How fast the load generator itself is, against a server that does nothing but send."""

import socket
from threading import Thread
from typing import Final

from bench.contestants import request
from bench.rounds import alternate
from bench.site import Site
from bench.table import Row, Section, seconds

_BOUNDARY: Final = b"ceiling"
_CHUNK: Final = 256 * 1024
_PART: Final = b"\r\n--" + _BOUNDARY + b"\r\nContent-Type: application/dicom\r\n\r\n"
_HEAD: Final = (
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n"
    b'Content-Type: multipart/related; type="application/dicom"; boundary=' + _BOUNDARY + b"\r\n\r\n"
)


def measure(site: Site) -> Section:
    """Let it read a body like that of the study, out of memory."""
    study, rounds = site.study, site.options.rounds
    content = b"".join(_chunk(_PART + file.read_bytes()) for file in study.files)
    body = _HEAD + content + _chunk(b"\r\n--" + _BOUNDARY + b"--\r\n") + b"0\r\n\r\n"
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = Thread(target=_serve, args=(listener, body, rounds))
        server.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        answers = alternate(rounds, {"ceiling": lambda: request(url, len(study.files))})["ceiling"]
        server.join()
    times = [answer.seconds for answer in answers]
    row = Row(
        measure="the load generator reads from a server that does nothing else",
        ours=f"{study.size / sorted(times)[len(times) // 2] / 1e6:.0f} MB/s ({seconds(times)})",
    )
    return Section("The load generator", [row])


def _chunk(content: bytes) -> bytes:
    pieces = [content[at : at + _CHUNK] for at in range(0, len(content), _CHUNK)]
    return b"".join(f"{len(piece):x}\r\n".encode() + piece + b"\r\n" for piece in pieces)


def _serve(listener: socket.socket, body: bytes, times: int) -> None:
    for _ in range(times):
        connection, _ = listener.accept()
        with connection:
            connection.recv(_CHUNK)
            connection.sendall(body)
