"""Spans reach the file, or the collector, and nobody waits for a collector that is away."""

import http.server
import os
import threading
import time
from pathlib import Path

import pytest

from isthmus.common.telemetry import current_trace_id, read_spans, setup, span
from isthmus.common.telemetry.span_file import KEEP_SECONDS


def test_a_collector_that_is_away_does_not_hold_up_the_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    with http.server.HTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler) as unused:
        port = unused.server_port
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{port}")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    telemetry = setup("wado", traces_file=None)
    with span("work"):
        pass
    began = time.monotonic()
    telemetry.shutdown(timeout=0.5)
    assert time.monotonic() - began < 5


def test_spans_go_to_the_collector_where_there_is_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    got: list[tuple[str, bytes]] = []

    class Collector(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.append((self.path, self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the parameter of the base
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Collector) as collector:
        serving = threading.Thread(target=collector.serve_forever)
        serving.start()
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{collector.server_port}")
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "none")
        telemetry = setup("wado", traces_file=tmp_path / "wado.jsonl")
        with span("a name to look for"):
            pass
        telemetry.shutdown()
        collector.shutdown()
        serving.join()
    assert [path for path, _ in got] == ["/v1/traces"]
    assert b"a name to look for" in got[0][1]
    assert list(tmp_path.iterdir()) == []


def test_without_a_file_nothing_is_written() -> None:
    telemetry = setup("wado", traces_file=None)
    with span("work"):
        assert current_trace_id() is None
    telemetry.shutdown()


def test_spans_are_in_the_file_soon_without_being_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "traces" / "wado-1.jsonl"
    telemetry = setup("wado", traces_file=path)
    with span("work"):
        trace_id = current_trace_id()
    assert trace_id is not None
    telemetry.flush()
    (record,) = read_spans(path.parent, trace_id)
    assert (record.service, record.name, record.kind, record.status) == ("wado", "work", "internal", "unset")
    telemetry.shutdown()


def test_files_that_nobody_wrote_to_for_a_week_are_removed(tmp_path: Path) -> None:
    old, new = tmp_path / "qido-1.jsonl", tmp_path / "qido-2.jsonl"
    old.touch()
    new.touch()
    long_ago = time.time() - KEEP_SECONDS - 60
    os.utime(old, (long_ago, long_ago))
    setup("wado", traces_file=tmp_path / "wado-1.jsonl").shutdown()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["qido-2.jsonl", "wado-1.jsonl"]


def test_a_file_that_has_grown_large_makes_room_for_a_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("isthmus.common.telemetry.span_file.ROTATE_AT", 10)
    telemetry = setup("wado", traces_file=tmp_path / "wado-1.jsonl")
    with span("work"):
        trace_id = current_trace_id()
    telemetry.shutdown()
    assert trace_id is not None
    assert sorted(path.name for path in tmp_path.iterdir()) == ["wado-1.jsonl", "wado-1.old.jsonl"]
    assert [record.name for record in read_spans(tmp_path, trace_id)] == ["work"]
