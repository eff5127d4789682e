"""`isthmus trace`: one trace as a tree of spans."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.text import Text
from rich.tree import Tree

from isthmus.cli.output import write_error, write_json, write_shown
from isthmus.common.telemetry import SpanNode, SpanRecord, read_spans, tree


def trace(data: Path, trace_id: str, *, as_json: bool) -> bool:
    """Print the spans that were written to the data folder; whether there are any."""
    spans = read_spans(data / "traces", trace_id)
    if not spans:
        elsewhere = "it may be at a collector (telemetry.otlp), or not recorded (telemetry.sample)"
        write_error(f"no span of trace {trace_id} in {data / 'traces'}; {elsewhere}")
        return False
    roots = tree(spans)
    if as_json:
        write_json([_as_json(node) for node in roots])
    else:
        _print(roots)
    return True


def _print(roots: Sequence[SpanNode]) -> None:
    for root in roots:
        shown = Tree(_label(root))
        _grow(shown, root.children)
        write_shown(shown)


def _grow(branch: Tree, nodes: Sequence[SpanNode]) -> None:
    for node in nodes:
        _grow(branch.add(_label(node)), node.children)


def _label(node: SpanNode) -> Text:
    span = node.span
    label = Text()
    label.append(f"{_milliseconds(span):9.1f} ms  ", style="cyan")
    label.append(span.name, style="bold")
    label.append(f"  {span.service}", style="green")
    if node.linked:
        label.append("  linked", style="magenta")
    if span.status == "error":
        label.append(f"  error: {span.message or 'no reason given'}", style="red")
    attributes = " ".join(f"{key}={value}" for key, value in span.attributes.items())
    if attributes:
        label.append(f"  {attributes}", style="dim")
    return label


def _as_json(node: SpanNode) -> Mapping[str, object]:
    span = node.span
    return {
        "trace_id": span.trace_id,
        "span_id": span.span_id,
        "parent_id": span.parent_id,
        "name": span.name,
        "kind": span.kind,
        "service": span.service,
        "start": span.start,
        "duration_ms": _milliseconds(span),
        "status": span.status,
        "message": span.message,
        "attributes": span.attributes,
        "events": [
            {"name": event.name, "time": event.time, "attributes": event.attributes} for event in span.events
        ],
        "linked": node.linked,
        "children": [_as_json(child) for child in node.children],
    }


def _milliseconds(span: SpanRecord) -> float:
    return (span.end - span.start) / 1e6
