"""Export of spans to a file, in the form of `records`."""

import os
import time
from collections.abc import Sequence
from io import FileIO
from pathlib import Path
from typing import Final

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.trace import SpanKind, StatusCode, format_span_id, format_trace_id
from opentelemetry.util.types import Attributes

from isthmus.common.telemetry.records import AttributeValue, SpanEvent, SpanLink, SpanRecord

ROTATE_AT = 32 * 1024 * 1024
KEEP_SECONDS = 7 * 24 * 3600
_KINDS: Final = (str, bool, int, float, tuple)
_NAMES: Final = {one: one.name.lower() for one in (*SpanKind, *StatusCode)}


class FileSpanExporter(SpanExporter):
    """Append spans to a file; at 32 MiB it becomes `*.old.jsonl`, in the place of the one before.

    Files of the same folder that nobody has written to for a week are removed at the start.
    """

    def __init__(self, path: Path, service: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        oldest = time.time() - KEEP_SECONDS
        for other in path.parent.glob("*.jsonl"):
            try:
                if other.stat().st_mtime < oldest:
                    other.unlink()
            except FileNotFoundError:
                continue  # another service was quicker
        self._path = path
        self._service = service
        self._file = self._open()

    def _open(self) -> FileIO:
        return FileIO(self._path, "a", opener=lambda path, flags: os.open(path, flags, 0o600))

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Append a batch by one write, so that a reader sees whole lines."""
        lines = b"".join(_record(span, self._service).to_line() for span in spans)
        try:
            if self._is_gone():
                self._begin_anew()
            self._file.write(lines)
            if self._file.tell() > ROTATE_AT:
                self._path.replace(self._path.with_suffix(".old.jsonl"))
                self._begin_anew()
        except OSError:  # the disk is full: spans are lost, the service goes on
            return SpanExportResult.FAILURE
        return SpanExportResult.SUCCESS

    def _is_gone(self) -> bool:
        """Say whether somebody removed it: to make room, or as that of a process that has ended."""
        return not self._path.exists()

    def _begin_anew(self) -> None:
        before, self._file = self._file, self._open()
        before.close()

    def shutdown(self) -> None:
        """Close the file."""
        self._file.close()


def _record(span: ReadableSpan, service: str) -> SpanRecord:
    context = span.get_span_context()
    assert context is not None  # noqa: S101 - only a NonRecordingSpan has none, and it is never exported
    return SpanRecord(
        trace_id=format_trace_id(context.trace_id),
        span_id=format_span_id(context.span_id),
        parent_id=format_span_id(span.parent.span_id) if span.parent else None,
        name=span.name,
        kind=_NAMES[span.kind],
        service=service,
        start=span.start_time or 0,
        end=span.end_time or 0,
        status=_NAMES[span.status.status_code],
        message=span.status.description,
        attributes=_plain(span.attributes),
        links=tuple(
            SpanLink(format_trace_id(link.context.trace_id), format_span_id(link.context.span_id))
            for link in span.links
        ),
        events=tuple(
            SpanEvent(event.name, event.timestamp, _plain(event.attributes)) for event in span.events
        ),
    )


def _plain(attributes: Attributes) -> dict[str, AttributeValue]:
    """Give the attributes that JSON has a form for; the SDK's type allows others, `span` does not."""
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in (attributes or {}).items()
        if isinstance(value, _KINDS)
    }
