"""The file of the last errors: what gets there, how much, and what it survives."""

import stat
from pathlib import Path

import orjson
import pytest

from isthmus.cli.error_log import KEPT, ErrorLog, last_errors


def logged(event: str, level: str = "error", **beside: object) -> str:
    return orjson.dumps({"event": event, "level": level, "service": "wado", **beside}).decode()


def texts(data: Path, most: int = 1000) -> list[str]:
    return [error.text for error in last_errors(data, most) or ()]


def test_without_the_file_nothing_is_known_and_with_it_that_there_was_none(
    tmp_path: Path,
) -> None:
    assert last_errors(tmp_path, 5) is None
    ErrorLog(tmp_path)
    assert last_errors(tmp_path, 5) == []


def test_errors_alone_are_kept_with_what_tells_where_to_look(tmp_path: Path) -> None:
    errors = ErrorLog(tmp_path)
    errors.line(
        "wado", logged("cannot read", detail="S3 is away", trace_id="0af7", frames="a.py:1 f < b.py:2 g")
    )
    for text in (
        logged("started", "info"),
        logged("slow", "warning"),
        "no log line",
        '{"level":"error"}',
        "{",
    ):
        errors.line("wado", text)
    errors.add("wado", "ended with signal SIGKILL")
    assert texts(tmp_path) == [
        "cannot read detail=S3 is away trace_id=0af7",
        "ended with signal SIGKILL",
    ]
    assert [error.label for error in last_errors(tmp_path, 1) or ()] == ["wado"]


def test_its_owner_alone_reads_it(tmp_path: Path) -> None:
    ErrorLog(tmp_path).add("wado", "ended")
    assert stat.S_IMODE((tmp_path / "errors.jsonl").stat().st_mode) == 0o600


def test_it_does_not_grow_beyond_its_bound_and_keeps_the_last(tmp_path: Path) -> None:
    errors = ErrorLog(tmp_path)
    for number in range(5 * KEPT):
        errors.add("wado", f"error {number}")
        assert len((tmp_path / "errors.jsonl").read_bytes().splitlines()) <= 2 * KEPT
    assert texts(tmp_path, KEPT) == [f"error {number}" for number in range(4 * KEPT, 5 * KEPT)]


def test_one_error_is_no_longer_than_its_bound(tmp_path: Path) -> None:
    ErrorLog(tmp_path).line("wado", logged("failed", detail="x" * 10_000))
    (text,) = texts(tmp_path)
    assert len(text) < 500


def test_the_errors_of_the_run_before_are_still_there(tmp_path: Path) -> None:
    ErrorLog(tmp_path).add("nats", "ended with exit code 1")
    with (tmp_path / "errors.jsonl").open("ab") as file:
        file.write(b'{"time": 1.7e9, "la')  # of who was killed in the middle of it
    ErrorLog(tmp_path).add("wado", "ended with exit code 2")
    assert texts(tmp_path) == ["ended with exit code 1", "ended with exit code 2"]


@pytest.mark.parametrize("what", ["gone", "unwritable"])
def test_where_nothing_can_be_written_nothing_fails(tmp_path: Path, what: str) -> None:
    data = tmp_path / "data"
    data.mkdir()
    errors = ErrorLog(data)
    (data / "errors.jsonl").unlink()
    if what == "gone":
        data.rmdir()
    else:
        (data / "errors.jsonl").mkdir()
        (data / "errors.jsonl" / "in the way").touch()
    errors.add("wado", "ended")
    assert texts(data) == []
