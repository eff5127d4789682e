"""What a running system tells about itself: traces, metrics and logs, never with patient data in them.

`setup` and `configure_logging` once in a process; then `with span(...)` around what takes time, `inject`
and `extract` where a message leaves and comes in, `AsgiTracing` around an HTTP application, `get_logger` in
a module.
"""

from opentelemetry.context import Context
from opentelemetry.trace import Link, Span, SpanKind

from isthmus.common.telemetry.asgi import AsgiTracing
from isthmus.common.telemetry.http_client import request_attributes
from isthmus.common.telemetry.logs import configure_logging, get_logger
from isthmus.common.telemetry.metrics import Definition, definitions, metrics_text
from isthmus.common.telemetry.propagation import (
    TRACEPARENT,
    add_link,
    extract,
    inject,
    link_from,
    links_from,
    traceresponse,
)
from isthmus.common.telemetry.records import SpanEvent, SpanLink, SpanNode, SpanRecord, read_spans, tree
from isthmus.common.telemetry.setup import Destination, Telemetry, setup
from isthmus.common.telemetry.spans import (
    AttributeValue,
    current_context,
    current_trace_id,
    in_context,
    record_failure,
    span,
    tell_span,
)

__all__ = [
    "TRACEPARENT",
    "AsgiTracing",
    "AttributeValue",
    "Context",
    "Definition",
    "Destination",
    "Link",
    "Span",
    "SpanEvent",
    "SpanKind",
    "SpanLink",
    "SpanNode",
    "SpanRecord",
    "Telemetry",
    "add_link",
    "configure_logging",
    "current_context",
    "current_trace_id",
    "definitions",
    "extract",
    "get_logger",
    "in_context",
    "inject",
    "link_from",
    "links_from",
    "metrics_text",
    "read_spans",
    "record_failure",
    "request_attributes",
    "setup",
    "span",
    "tell_span",
    "traceresponse",
    "tree",
]
