"""Spans: what everybody writes `with span(...)` for.

A span never holds patient data: no text of a foreign exception (pydicom's quote values), no URL path and no
S3 key.
"""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from opentelemetry import context as otel_context
from opentelemetry.context import Context
from opentelemetry.trace import (
    Link,
    NoOpTracer,
    Span,
    SpanKind,
    Status,
    StatusCode,
    Tracer,
    TracerProvider,
    format_span_id,
    format_trace_id,
    get_current_span,
    set_span_in_context,
)

from isthmus.common.errors import IsthmusError
from isthmus.common.telemetry.attributes import ERROR_TYPE, ISTHMUS_CANCELLED
from isthmus.common.telemetry.sampling import Sampling

AttributeValue = str | bool | int | float | Sequence[str]


class _Installed:
    """Who makes the spans of this process; OpenTelemetry's own global can be set only once."""

    tracer: Tracer = NoOpTracer()
    sampling: Sampling = Sampling(1)


def install(provider: TracerProvider, sampling: Sampling | None = None) -> None:
    """Make spans by `provider` from now on."""
    # Once: the SDK adds a filter of warnings each time that it is asked, which takes as long as half a span.
    _Installed.tracer = provider.get_tracer("isthmus")
    _Installed.sampling = sampling or Sampling(1)


def of_client(context: Context) -> Context:
    """Give the context of a client's trace, which has not more recorded than it may."""
    return _Installed.sampling.of_client(context)


@contextmanager
def span(
    name: str,
    attributes: Mapping[str, AttributeValue] | None = None,
    /,
    *,
    kind: SpanKind = SpanKind.INTERNAL,
    context: Context | None = None,
    links: Sequence[Link] = (),
    current: bool = True,
) -> Iterator[Span]:
    """Do something in a span, as a child of the current one or of the one in `context`.

    An exception marks the span as failed, with its type, and the title of one of ours; its text stays out.

    Args:
        name: low in variety: a template, never a UID.
        attributes: of the names in `attributes` alone.
        kind: who is on the other side.
        context: what `extract` gave; the current context by default.
        links: spans of other traces that this one waits for or continues.
        current: False around a `yield` of an asynchronous generator, which may go on in another context.
    """
    started = _Installed.tracer.start_span(name, context, kind, attributes, links, record_exception=False)
    try:
        if current:
            with in_context(set_span_in_context(started)):
                yield started
        else:
            yield started
    except (asyncio.CancelledError, GeneratorExit):
        started.set_attribute(ISTHMUS_CANCELLED, True)
        raise
    except BaseException as error:
        record_failure(started, error)
        raise
    finally:
        started.end()


def tell_span(
    name: str,
    attributes: Mapping[str, AttributeValue],
    /,
    *,
    kind: SpanKind,
    began: int,
    context: Context,
    error: BaseException | None = None,
) -> None:
    """Tell of what is over, in a span that ends now.

    Args:
        name: low in variety, as of `span`.
        attributes: of the names in `attributes` alone.
        kind: who was on the other side.
        began: when, in nanoseconds since 1970.
        context: in which.
        error: how it failed, if it did.
    """
    told = _Installed.tracer.start_span(
        name, context, kind, attributes, start_time=began, record_exception=False
    )
    if error is not None:
        record_failure(told, error)
    told.end()


def record_failure(failed: Span, error: BaseException) -> None:
    """Mark a span as failed, without the exception's text."""
    failed.set_attribute(ERROR_TYPE, type(error).__qualname__)
    failed.set_status(
        Status(StatusCode.ERROR, error.title if isinstance(error, IsthmusError) else type(error).__qualname__)
    )


def current_trace_id() -> str | None:
    """Give the trace that the caller is in, as 32 hex digits."""
    ids = current_ids()
    return None if ids is None else ids[0]


def current_ids() -> tuple[str, str] | None:
    """Give the trace and the span that the caller is in, as 32 and 16 hex digits."""
    current = get_current_span().get_span_context()
    if not current.is_valid:
        return None
    return format_trace_id(current.trace_id), format_span_id(current.span_id)


def current_context() -> Context:
    """Give the context to carry into a thread that is not `Threads`' own (pynetdicom's)."""
    return otel_context.get_current()


@contextmanager
def in_context(context: Context) -> Iterator[None]:
    """Be in `context`, in a thread that did not inherit it."""
    token = otel_context.attach(context)
    try:
        yield
    finally:
        otel_context.detach(token)
