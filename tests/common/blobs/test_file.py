"""How often S3 is asked for a blob that is read as a file."""

import io
import random

from isthmus.common.blobs.file import READ_AHEAD, RangeReader


def reader(data: bytes) -> tuple[io.BufferedReader, list[tuple[int, int]]]:
    """A file of the data, and the ranges that are fetched for it."""
    fetched: list[tuple[int, int]] = []

    def fetch(offset: int, length: int) -> bytes:
        fetched.append((offset, length))
        return data[offset : offset + length]

    return io.BufferedReader(RangeReader(fetch, len(data)), READ_AHEAD), fetched


def test_a_small_blob_is_fetched_once_however_it_is_read() -> None:
    data = random.Random(1).randbytes(2_000)
    file, fetched = reader(data)
    assert file.read(5_000) == data
    file.seek(300)
    assert file.read(500) == data[300:800]
    file.seek(0)
    assert file.read() == data
    assert fetched == [(0, len(data))]


def test_going_back_to_the_beginning_of_a_large_one_fetches_nothing() -> None:
    data = random.Random(2).randbytes(3 * READ_AHEAD)
    file, fetched = reader(data)
    assert b"".join(iter(lambda: file.read(100_000), b"")) == data
    before = len(fetched)
    file.seek(0)
    assert file.read(60_000) == data[:60_000]
    assert len(fetched) == before


def test_going_on_from_there_gives_what_follows() -> None:
    data = random.Random(3).randbytes(3 * READ_AHEAD)
    file, _ = reader(data)
    file.seek(2 * READ_AHEAD)
    assert file.read(10) == data[2 * READ_AHEAD :][:10]
    file.seek(0)
    assert file.read() == data
    file.seek(100)
    assert file.read(READ_AHEAD) == data[100 : READ_AHEAD + 100]
