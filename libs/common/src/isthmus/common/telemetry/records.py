"""Spans as lines of JSON in files, for a system without a collector.

One span a line, UTF-8, with the fields of `SpanRecord`; an absent `parent_id` is null. Times are
nanoseconds since 1970. A line that cannot be read (a process was killed in the middle of it) is passed
over.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import orjson

AttributeValue = str | bool | int | float | Sequence[str] | Sequence[bool] | Sequence[int] | Sequence[float]


@dataclass(frozen=True, slots=True)
class SpanLink:
    """A span, perhaps of another trace, that a span waits for or continues."""

    trace_id: str
    span_id: str


@dataclass(frozen=True, slots=True)
class SpanEvent:
    """Something at one moment of a span."""

    name: str
    time: int
    attributes: Mapping[str, AttributeValue]


@dataclass(frozen=True, slots=True)
class SpanRecord:
    """One ended span."""

    trace_id: str
    """32 hex digits."""
    span_id: str
    """16 hex digits."""
    parent_id: str | None
    name: str
    kind: str
    """internal, server, client, producer or consumer."""
    service: str
    start: int
    end: int
    status: str
    """unset, ok or error."""
    message: str | None
    """The title of the error."""
    attributes: Mapping[str, AttributeValue]
    links: tuple[SpanLink, ...]
    events: tuple[SpanEvent, ...]

    def to_line(self) -> bytes:
        """Write it as a line of JSON."""
        return orjson.dumps(self, option=orjson.OPT_APPEND_NEWLINE)

    @classmethod
    def from_line(cls, line: bytes) -> "SpanRecord":
        """Read it from a line of JSON.

        Raises:
            ValueError: the line is no JSON.
            KeyError, TypeError: it is not a span.
        """
        fields = orjson.loads(line)
        fields["links"] = tuple(SpanLink(**link) for link in fields["links"])
        fields["events"] = tuple(SpanEvent(**event) for event in fields["events"])
        return cls(**fields)


@dataclass(frozen=True, slots=True)
class SpanNode:
    """A span with what happened inside it, in the order of its beginnings."""

    span: SpanRecord
    linked: bool
    """It hangs here because of a link: it belongs to another trace."""
    children: list["SpanNode"] = field(default_factory=list)


def read_spans(directory: Path, trace_id: str) -> list[SpanRecord]:
    """Read the spans of one trace from all `*.jsonl` files of a directory.

    A link leads on: of another trace, the linked span and what is below it come too. Who joins a job that
    somebody else began so sees what the job did.
    """
    traces: dict[str, list[SpanRecord]] = {trace_id: _scan(directory, trace_id)}
    spans = {record.span_id: record for record in traces[trace_id]}
    links = [link for record in spans.values() for link in record.links]
    while links:
        link = links.pop(0)
        if link.trace_id not in traces:
            traces[link.trace_id] = _scan(directory, link.trace_id)
        for record in _below(link.span_id, traces[link.trace_id]):
            if record.span_id not in spans:
                spans[record.span_id] = record
                links += record.links
    return list(spans.values())


def tree(spans: Sequence[SpanRecord]) -> list[SpanNode]:
    """Order spans as a tree; more than one root if the topmost span has not ended, or is not ours."""
    by_start = sorted(spans, key=lambda record: record.start)
    known = {record.span_id for record in by_start}
    linked = {link.span_id for record in by_start for link in record.links}
    children: dict[str, list[SpanRecord]] = {}
    for record in by_start:
        if record.parent_id is not None:
            children.setdefault(record.parent_id, []).append(record)
    placed: set[str] = set()

    def node(record: SpanRecord, *, is_linked: bool) -> SpanNode:
        placed.add(record.span_id)
        inside = [(child, False) for child in children.get(record.span_id, [])]
        for link in record.links:
            target = [other for other in by_start if other.span_id == link.span_id]
            # A linked span that still runs is not written yet; what has ended inside it is.
            inside += [(other, True) for other in target or children.get(link.span_id, [])]
        inside.sort(key=lambda pair: pair[0].start)
        return SpanNode(
            record,
            is_linked,
            [node(child, is_linked=by_link) for child, by_link in inside if child.span_id not in placed],
        )

    ours = spans[0].trace_id if spans else None
    roots = [
        record
        for record in by_start
        if record.parent_id not in known
        and (record.trace_id == ours or not {record.span_id, record.parent_id} & linked)
    ]
    return [node(record, is_linked=False) for record in roots if record.span_id not in placed]


def _scan(directory: Path, trace_id: str) -> list[SpanRecord]:
    """Read every span of a trace."""
    records = []
    needle = trace_id.encode()
    for path in sorted(directory.glob("*.jsonl")):
        with path.open("rb") as lines:
            for line in lines:
                if needle not in line:
                    continue
                try:
                    record = SpanRecord.from_line(line)
                except (ValueError, KeyError, TypeError):
                    continue
                if record.trace_id == trace_id:
                    records.append(record)
    return records


def _below(span_id: str, records: Sequence[SpanRecord]) -> list[SpanRecord]:
    """Give the span and all below it; also where it still runs, and so is not written yet."""
    inside = {span_id}
    found: list[SpanRecord] = []
    rest = list(records)
    while more := [record for record in rest if record.span_id in inside or record.parent_id in inside]:
        found += more
        inside.update(record.span_id for record in more)
        rest = [record for record in rest if record.span_id not in inside]
    return found
