"""The W3C trace context, in and out: `traceparent` only, no `tracestate`, no baggage."""

from collections.abc import Iterable, Mapping
from typing import Final

from opentelemetry.context import Context
from opentelemetry.trace import (
    Link,
    Span,
    format_span_id,
    format_trace_id,
    get_current_span,
)
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

TRACEPARENT = "traceparent"
MOST_LINKS: Final = 32
"""Of a span that goes on with the work of many: the last ones."""
_propagator = TraceContextTextMapPropagator()


def inject() -> dict[str, str]:
    """Give the headers that carry the current span; none outside a span."""
    headers: dict[str, str] = {}
    _propagator.inject(headers)
    return {name: value for name, value in headers.items() if name == TRACEPARENT}


def extract(headers: Mapping[str, str] | None) -> Context:
    """Give the context that `headers` carry, for `span(context=...)`; a new trace's if they carry none.

    What is not a traceparent of W3C's grammar counts as none.
    """
    traceparent = (headers or {}).get(TRACEPARENT)
    return _propagator.extract({TRACEPARENT: traceparent} if traceparent else {}, Context())


def link_from(traceparent: str | None) -> Link | None:
    """Give a link to the span that `traceparent` names, None if it names none."""
    if traceparent is None:
        return None
    context = get_current_span(extract({TRACEPARENT: traceparent})).get_span_context()
    return Link(context) if context.is_valid else None


def links_from(traceparents: Iterable[str | None], *, besides: Context | None = None) -> tuple[Link, ...]:
    """Give links to the spans that are named, one for each trace, of so many traces as a span may tell of.

    Args:
        traceparents: who they are.
        besides: in whose trace the span is that has the links: it needs none to that.
    """
    links = filter(None, map(link_from, traceparents))
    by_trace = {link.context.trace_id: link for link in links}
    if besides is not None:
        by_trace.pop(get_current_span(besides).get_span_context().trace_id, None)
    return tuple(by_trace.values())[-MOST_LINKS:]


def add_link(traceparent: str | None) -> None:
    """Link the current span to another one, whose work it waits for (a job that somebody else began).

    A span of its own trace needs no link.
    """
    link, current = link_from(traceparent), get_current_span()
    if link is not None and link.context.trace_id != current.get_span_context().trace_id:
        current.add_link(link.context)


def traceresponse(answered: Span) -> str | None:
    """Give the value of the response header `traceresponse` (W3C Trace Context, level 2).

    Its flags say whether the trace is recorded. None where nothing is traced.
    """
    context = answered.get_span_context()
    if not context.is_valid:
        return None
    trace_id, span_id = format_trace_id(context.trace_id), format_span_id(context.span_id)
    return f"00-{trace_id}-{span_id}-{int(context.trace_flags.sampled):02x}"
