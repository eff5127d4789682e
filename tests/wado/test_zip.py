"""Archives are what other programs take for archives, and only when they are whole."""

import io
import zipfile

import pytest

from isthmus.wado.answers import zip as zip_module
from isthmus.wado.answers.zip import ZipWriter

FILES = {"1.2/1.2.3.dcm": b"one" * 1000, "1.2/1.2.4.dcm": b"", "1.3/%2F.dcm": bytes(range(256)) * 40}


def written(files: dict[str, bytes], *, in_pieces: bool) -> bytes:
    writer = ZipWriter()
    archive = b""
    for name, content in files.items():
        if in_pieces:
            pieces = [content[start : start + 1000] for start in range(0, len(content), 1000)]
            archive += writer.begin(name, len(content)) + b"".join(map(writer.add, pieces)) + writer.end()
        else:
            archive += writer.file(name, content) + content
    return archive + writer.close()


def read(archive: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        assert opened.testzip() is None
        return {name: opened.read(name) for name in opened.namelist()}


@pytest.mark.parametrize("in_pieces", [False, True])
def test_files_come_out_as_they_went_in(in_pieces: bool) -> None:
    assert read(written(FILES, in_pieces=in_pieces)) == FILES


@pytest.mark.parametrize("in_pieces", [False, True])
def test_large_ones_are_in_the_zip64_format(in_pieces: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zip_module, "LARGEST", 100)
    archive = written(FILES, in_pieces=in_pieces)
    assert b"PK\x06\x06" in archive
    assert read(archive) == FILES


def test_so_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zip_module, "MOST", 2)
    archive = written(FILES, in_pieces=False)
    assert b"PK\x06\x06" in archive
    assert read(archive) == FILES


def test_one_that_is_broken_off_is_no_archive() -> None:
    archive = written(FILES, in_pieces=False)
    with pytest.raises(zipfile.BadZipFile):
        read(archive[: archive.rindex(b"PK\x05\x06")])


def test_little_is_left_to_do_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    writer = ZipWriter()
    before = writer.file("a.dcm", b"a") + b"a"
    monkeypatch.delattr(zip_module, "_in_directory")  # of tens of thousands of files it would hold the loop
    archive = zipfile.ZipFile(io.BytesIO(before + writer.close()))
    assert archive.read("a.dcm") == b"a"
