"""Bytes in memory and in a file are the same bytes."""

import os
import tempfile
from collections.abc import Callable

import pytest

from isthmus.common.dicom.raw_bytes import RawBytes, UnnamedFile

DATA = bytes(range(256)) * 40


def in_file(data: bytes) -> RawBytes:
    file = UnnamedFile()
    file.append(data[:100])
    file.append(memoryview(data)[100:])
    return RawBytes(file)


def open_files() -> set[str]:
    return set(os.listdir("/proc/self/fd"))


def test_a_file_is_gone_with_its_last_reference() -> None:
    before = open_files()
    data = in_file(DATA)
    part = data.part(10, 20)
    del data
    assert open_files() != before
    del part
    assert open_files() == before


def test_a_file_has_no_name(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert in_file(DATA).size == len(DATA)
    held = UnnamedFile()
    held.append(DATA)
    assert os.listdir(str(tmp_path)) == []


def test_what_is_in_a_file_takes_no_memory() -> None:
    assert in_file(DATA).in_memory == 0
    assert RawBytes(DATA).in_memory == len(DATA)


@pytest.mark.parametrize("make", [RawBytes, in_file])
class TestBoth:
    def test_the_chunks_are_the_bytes(self, make: Callable[[bytes], RawBytes]) -> None:
        chunks = list(make(DATA).chunks(1000))
        assert [len(chunk) for chunk in chunks[:-1]] == [1000] * (len(DATA) // 1000)
        assert b"".join(chunks) == DATA

    def test_a_part_is_a_range(self, make: Callable[[bytes], RawBytes]) -> None:
        part = make(DATA).part(1000, 500)
        assert part.size == 500
        assert b"".join(part.chunks(64)) == DATA[1000:1500]
        assert part.head() == DATA[1000:1500]
        assert b"".join(part.part(100, 1000).chunks()) == DATA[1100:1500]

    def test_a_part_ends_with_the_whole(self, make: Callable[[bytes], RawBytes]) -> None:
        assert b"".join(make(DATA).part(len(DATA) - 3, 500).chunks()) == DATA[-3:]

    def test_nothing_is_nothing(self, make: Callable[[bytes], RawBytes]) -> None:
        nothing = make(b"")
        assert (nothing.size, bytes(nothing.head()), list(nothing.chunks())) == (0, b"", [])

    def test_the_head_is_all_of_what_is_not_long(self, make: Callable[[bytes], RawBytes]) -> None:
        assert make(DATA).head() == DATA
