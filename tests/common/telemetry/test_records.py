"""A trace is read from the files of all services, and ordered as a tree that follows links."""

from pathlib import Path

from isthmus.common.telemetry import SpanEvent, SpanLink, SpanNode, SpanRecord, read_spans, tree

OURS, THEIRS = "a" * 32, "b" * 32


def record(
    span_id: str,
    parent_id: str | None = None,
    *,
    trace: str = OURS,
    start: int = 0,
    link: SpanLink | None = None,
) -> SpanRecord:
    return SpanRecord(
        trace_id=trace,
        span_id=span_id,
        parent_id=parent_id,
        name=span_id,
        kind="internal",
        service="wado",
        start=start,
        end=start + 1,
        status="unset",
        message=None,
        attributes={"count": 1, "modalities": ["CT", "MR"]},
        links=(link,) if link else (),
        events=(SpanEvent("first", start, {"n": 1}),),
    )


def write(path: Path, *records: SpanRecord) -> None:
    path.write_bytes(b"".join(each.to_line() for each in records))


def outline(nodes: list[SpanNode]) -> list[object]:
    return [[("~" if node.linked else "") + node.span.name, *outline(node.children)] for node in nodes]


def test_a_line_that_was_cut_off_or_is_no_span_is_passed_over(tmp_path: Path) -> None:
    whole = record("1").to_line()
    (tmp_path / "wado-1.jsonl").write_bytes(
        whole[:-30] + b"\n" + b'{"trace_id": "' + OURS.encode() + b'"}\n[1]\n' + whole
    )
    assert [each.span_id for each in read_spans(tmp_path, OURS)] == ["1"]


def test_an_unknown_trace_and_a_missing_directory_hold_nothing(tmp_path: Path) -> None:
    assert read_spans(tmp_path / "absent", OURS) == []
    assert tree([]) == []


def test_a_record_comes_back_as_it_was(tmp_path: Path) -> None:
    written = record("1", "0", link=SpanLink(THEIRS, "9"))
    write(tmp_path / "wado-1.jsonl", written)
    assert read_spans(tmp_path, OURS) == [written]


def test_spans_of_several_services_form_one_tree_in_the_order_of_time(tmp_path: Path) -> None:
    write(tmp_path / "wado-1.jsonl", record("1"), record("3", "1", start=3), record("2", "1", start=2))
    write(tmp_path / "dimse-scu-2.jsonl", record("4", "2", start=4), record("x", trace=THEIRS))
    assert outline(tree(read_spans(tmp_path, OURS))) == [["1", ["2", ["4"]], ["3"]]]


def test_a_span_whose_parent_is_not_known_is_a_root(tmp_path: Path) -> None:
    write(tmp_path / "wado-1.jsonl", record("2", "1", start=2), record("3", "1", start=3))
    assert outline(tree(read_spans(tmp_path, OURS))) == [["2"], ["3"]]


def test_a_link_brings_the_job_that_somebody_else_began_and_nothing_more(tmp_path: Path) -> None:
    write(tmp_path / "wado-1.jsonl", record("1"), record("2", "1", link=SpanLink(THEIRS, "job")))
    write(
        tmp_path / "dimse-scu-2.jsonl",
        record("request", trace=THEIRS),
        record("c-get", "job", trace=THEIRS, start=1),  # before its parent: clocks differ
        record("job", "request", trace=THEIRS, start=2),
    )
    assert outline(tree(read_spans(tmp_path, OURS))) == [["1", ["2", ["~job", ["c-get"]]]]]


def test_of_a_linked_span_that_still_runs_its_ended_children_are_shown(tmp_path: Path) -> None:
    write(tmp_path / "wado-1.jsonl", record("1", link=SpanLink(THEIRS, "job")))
    write(tmp_path / "dimse-scu-2.jsonl", record("c-get", "job", trace=THEIRS))
    assert outline(tree(read_spans(tmp_path, OURS))) == [["1", ["~c-get"]]]


def test_spans_that_link_to_each_other_end_the_walk(tmp_path: Path) -> None:
    write(
        tmp_path / "wado-1.jsonl",
        record("1", link=SpanLink(THEIRS, "2")),
        record("2", trace=THEIRS, start=1, link=SpanLink(OURS, "1")),
    )
    assert outline(tree(read_spans(tmp_path, OURS))) == [["1", ["~2"]]]
