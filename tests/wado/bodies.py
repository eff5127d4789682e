"""Multipart bodies, taken apart without the code under test."""

import re
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest

AS_HELD = {"Accept": 'multipart/related; type="application/dicom"; transfer-syntax=*'}
"""Headers of who takes instances as they are."""


@dataclass(frozen=True)
class Part:
    headers: dict[str, str]
    content: bytes


def parts_of(response: httpx2.Response) -> list[Part]:
    """The parts of a body that is whole."""
    parts, rest = split(response.headers["Content-Type"], response.content)
    assert rest == b"--\r\n"
    return parts


def contents(response: httpx2.Response) -> list[bytes]:
    """The parts' contents of an answer that is whole, sorted."""
    assert response.status_code == 200, response.text
    return sorted(part.content for part in parts_of(response))


def read(files: list[Path]) -> list[bytes]:
    """The contents of files, sorted likewise."""
    return sorted(file.read_bytes() for file in files)


def split(content_type: str, body: bytes) -> tuple[list[Part], bytes]:
    """The parts that end in a delimiter, and what follows the last delimiter."""
    found = re.search(r"boundary=(\w+)", content_type)
    assert found
    start, *pieces = (b"\r\n" + body).split(f"\r\n--{found[1]}".encode())
    assert start == b""
    return [_part(piece) for piece in pieces[:-1]], pieces[-1]


def _part(piece: bytes) -> Part:
    head, _, content = piece.removeprefix(b"\r\n").partition(b"\r\n\r\n")
    lines = (line.partition(": ") for line in head.decode("ascii").split("\r\n"))
    return Part({name: value for name, _, value in lines}, content)


async def broken_body(
    client: httpx2.AsyncClient, url: str, headers: dict[str, str], status: int = 200
) -> tuple[str, bytes]:
    """The Content-Type of a 200 or 206, and all that came of its body before the connection broke."""
    body = bytearray()
    async with client.stream("GET", url, headers=headers) as response:
        assert response.status_code == status
        with pytest.raises(httpx2.RemoteProtocolError):
            await _read_into(body, response)
    return response.headers["Content-Type"], bytes(body)


async def _read_into(body: bytearray, response: httpx2.Response) -> None:
    async for chunk in response.aiter_raw():
        body += chunk
