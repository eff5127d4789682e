"""A DICOMweb server that gives a study as far as the middle of its third instance, and then nothing more."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

from pydicom.dataset import Dataset

from tests.common.webclient.web_origin import MULTIPART, Behaviour, Request, multipart, writes_then_is_silent
from tests.data_sets import identity
from tests.scp.retrieving.client import Answer

COUNT = 4
"""Instances of such a study."""
WITHIN_SECONDS = 15.0
"""After which a request to the server has ended that nobody waits for; for its silence it would, after 30."""


def path_of(files: list[Path]) -> str:
    """The path of their series."""
    one = identity(files[0])
    return f"studies/{one.study_instance_uid}/series/{one.series_instance_uid}"


def half(files: list[Path]) -> bytes:
    """An answer that has come as far as the middle of its third part."""
    contents = [file.read_bytes() for file in files]
    head = f"HTTP/1.1 200 OK\r\nContent-Type: {MULTIPART}\r\nContent-Length: 9999999\r\n\r\n".encode()
    parts = multipart(*contents[:3])
    return head + parts[: len(parts) - 100]


def sends_half(files: list[Path], ended: asyncio.Event) -> Behaviour:
    """Do so, and tell when the request has ended."""

    async def sends(request: Request, writer: asyncio.StreamWriter) -> None:
        await writes_then_is_silent(half(files))(request, writer)
        ended.set()

    return sends


async def two_of(responses: Iterator[tuple[Dataset, Dataset | None]]) -> Answer:
    """Take the responses of a C-MOVE or C-GET until two of its sub-operations are completed."""
    answer = Answer()
    while not answer.pending or answer.pending[-1].completed != 2:
        answer.take(*await asyncio.to_thread(next, responses))
    return answer
