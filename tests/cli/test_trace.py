from pathlib import Path

import orjson
import pytest

from isthmus.cli.trace import trace
from isthmus.common.telemetry import SpanRecord

TRACE_ID = "0af7651916cd43dd8448eb211c80319c"


def write(
    data: Path, span_id: str, parent_id: str | None, name: str, service: str, milliseconds: int
) -> None:
    record = SpanRecord(
        trace_id=TRACE_ID,
        span_id=span_id,
        parent_id=parent_id,
        name=name,
        kind="internal",
        service=service,
        start=1_000_000_000,
        end=1_000_000_000 + milliseconds * 1_000_000,
        status="unset",
        message=None,
        attributes={"isthmus.origin": "pacs"},
        links=(),
        events=(),
    )
    folder = data / "traces"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{service}.jsonl").open("ab") as file:
        file.write(record.to_line())


def test_an_unknown_trace_is_said(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert not trace(data, TRACE_ID, as_json=False)
    assert f"no span of trace {TRACE_ID}" in capsys.readouterr().err


def test_spans_are_a_tree_with_their_durations(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(data, "1" * 16, None, "GET /aets/{origin}/studies/{study}", "wado", 25)
    write(data, "2" * 16, "1" * 16, "C-GET", "dimse-scu", 20)
    assert trace(data, TRACE_ID, as_json=False)
    root, child = capsys.readouterr().out.splitlines()
    assert root.split("ms")[0].strip() == "25.0"
    assert "GET /aets/{origin}/studies/{study}  wado  isthmus.origin=pacs" in root
    assert child.startswith("└── ")
    assert "20.0 ms  C-GET  dimse-scu" in child


def test_for_scripts_they_are_json(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(data, "1" * 16, None, "GET", "wado", 25)
    write(data, "2" * 16, "1" * 16, "C-GET", "dimse-scu", 20)
    assert trace(data, TRACE_ID, as_json=True)
    (root,) = orjson.loads(capsys.readouterr().out)
    assert (root["name"], root["service"], root["duration_ms"]) == ("GET", "wado", 25.0)
    assert [child["name"] for child in root["children"]] == ["C-GET"]
