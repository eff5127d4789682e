"""Spans reach the file, or the collector, and nobody waits for a collector that is away."""

import http.server
import os
import time
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Final

import pytest

from isthmus.common.telemetry import Destination, current_trace_id, read_spans, setup, span
from isthmus.common.telemetry.instruments import nats_up, request_duration
from isthmus.common.telemetry.records import SpanRecord
from isthmus.common.telemetry.span_file import KEEP_SECONDS
from tests.system.collector import Collector
from tests.waiting import PATIENCE

VERSION: Final = version("isthmus-common")


def test_a_collector_that_is_away_does_not_hold_up_the_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    with http.server.HTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler) as unused:
        port = unused.server_port
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{port}")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    telemetry = setup("wado", Destination())
    with span("work"):
        pass
    began = time.monotonic()
    telemetry.shutdown(timeout=0.5)
    assert time.monotonic() - began < 5


@pytest.fixture
def collector() -> Iterator[Collector]:
    """Somebody who takes spans and metrics."""
    with Collector() as taking:
        yield taking


def told_by(collector: Collector, destination: Destination) -> None:
    """Make a span and count a request, and send both."""
    telemetry = setup("wado", destination)
    with span("a name to look for"):
        request_duration.record(0.5, {"http.request.method": "GET"})
    telemetry.shutdown(PATIENCE)


@pytest.mark.parametrize("by_setting", [True, False], ids=["setting", "variable"])
def test_spans_and_metrics_go_to_the_collector_where_there_is_one(
    collector: Collector, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *, by_setting: bool
) -> None:
    if not by_setting:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint)
    otlp = collector.endpoint if by_setting else None
    told_by(collector, Destination(otlp, traces_file=tmp_path / "wado.jsonl"))
    assert [one.name for one in collector.all_spans()] == ["a name to look for"]
    assert "http.server.request.duration" in collector.metrics()
    assert list(tmp_path.iterdir()) == []
    resources = collector.resources()
    assert {(one["service.name"], one["service.version"]) for one in resources} == {("wado", VERSION)}
    assert len({one["service.instance.id"] for one in resources}) == 1


@pytest.mark.parametrize("answers", [True, False])
def test_a_yes_or_no_is_a_number_to_the_collector(collector: Collector, *, answers: bool) -> None:
    nats_up.set(answers)
    told_by(collector, Destination(collector.endpoint))
    assert "isthmus.nats.up" in collector.metrics()
    nats_up.forget()


def test_the_setting_goes_before_the_variable(collector: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
    told_by(collector, Destination(collector.endpoint))
    assert collector.all_spans()


def test_a_process_that_exports_nothing_names_traces_all_the_same() -> None:
    telemetry = setup("wado", Destination())
    with span("work") as work:
        assert current_trace_id() is not None
        assert not work.is_recording()
    telemetry.shutdown()


def test_spans_are_in_the_file_soon_without_being_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "traces" / "wado-1.jsonl"
    telemetry = setup("wado", Destination(traces_file=path))
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
    setup("wado", Destination(traces_file=tmp_path / "wado-1.jsonl")).shutdown()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["qido-2.jsonl", "wado-1.jsonl"]


def test_a_file_that_has_grown_large_makes_room_for_a_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("isthmus.common.telemetry.span_file.ROTATE_AT", 10)
    telemetry = setup("wado", Destination(traces_file=tmp_path / "wado-1.jsonl"))
    with span("work"):
        trace_id = current_trace_id()
    telemetry.shutdown()
    assert trace_id is not None
    assert sorted(path.name for path in tmp_path.iterdir()) == ["wado-1.jsonl", "wado-1.old.jsonl"]
    assert [record.name for record in read_spans(tmp_path, trace_id)] == ["work"]


def names_in(path: Path) -> list[str]:
    """Give the names of the spans of a file."""
    return [SpanRecord.from_line(line).name for line in path.read_bytes().splitlines()]


def test_spans_go_to_a_new_file_where_somebody_removed_theirs(tmp_path: Path) -> None:
    path = tmp_path / "wado-1.jsonl"
    telemetry = setup("wado", Destination(traces_file=path))
    path.unlink()
    with span("work"):
        pass
    telemetry.flush()
    assert names_in(path) == ["work"]
    telemetry.shutdown()


def test_spans_go_nowhere_else_while_there_is_no_place_for_a_new_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "traces" / "wado-1.jsonl"
    telemetry = setup("wado", Destination(traces_file=path))
    monkeypatch.setattr("isthmus.common.telemetry.span_file.ROTATE_AT", 10)
    path.unlink()
    path.parent.rmdir()
    with span("lost"):
        pass
    telemetry.flush()
    with (tmp_path / "a study").open("xb") as next_of_the_process:
        with span("lost too"):
            pass
        telemetry.flush()
        assert os.fstat(next_of_the_process.fileno()).st_size == 0
    path.parent.mkdir()
    with span("work"):
        pass
    telemetry.shutdown()
    assert names_in(path.with_suffix(".old.jsonl")) == ["work"]
