"""Spans nest, tell of failures, and hold no text that is not ours."""

import asyncio

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from isthmus.common.errors import StoreUnavailable
from isthmus.common.telemetry import (
    SpanKind,
    add_link,
    current_context,
    current_trace_id,
    extract,
    in_context,
    inject,
    link_from,
    links_from,
    span,
)
from isthmus.common.threads import Threads

INCOMING = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def test_a_foreign_exception_shows_its_type_and_nothing_of_its_text(ended: InMemorySpanExporter) -> None:
    with pytest.raises(ValueError, match="DOE"), span("work"):
        raise ValueError("DOE^JOHN is no date")
    (work,) = ended.get_finished_spans()
    assert work.status.status_code is StatusCode.ERROR
    assert work.attributes == {"error.type": "ValueError"}
    assert "DOE" not in work.to_json()


def test_our_own_error_shows_its_title(ended: InMemorySpanExporter) -> None:
    with pytest.raises(StoreUnavailable), span("work"):
        raise StoreUnavailable("S3 put: 503")
    assert ended.get_finished_spans()[0].status.description == StoreUnavailable.title


def test_a_cancellation_is_no_failure(ended: InMemorySpanExporter) -> None:
    with pytest.raises(asyncio.CancelledError), span("work"):
        raise asyncio.CancelledError
    (work,) = ended.get_finished_spans()
    assert work.status.status_code is StatusCode.UNSET
    assert work.attributes == {"isthmus.cancelled": True}


@pytest.mark.parametrize("traceparent", ["", "nonsense", "00-" + "0" * 32 + "-b7ad6b7169203331-01"])
def test_what_is_no_traceparent_begins_a_new_trace(ended: InMemorySpanExporter, traceparent: str) -> None:
    with span("work", context=extract({"traceparent": traceparent})):
        pass
    assert ended.get_finished_spans()[0].parent is None
    assert link_from(traceparent) is None


def test_outside_a_span_nothing_is_carried_on() -> None:
    assert inject() == {}
    assert current_trace_id() is None


def test_without_setup_an_incoming_trace_is_carried_through() -> None:
    with span("work", context=extract({"traceparent": INCOMING})):
        assert inject() == {"traceparent": INCOMING}


def test_an_incoming_trace_is_continued_and_carried_on(ended: InMemorySpanExporter) -> None:
    with span("work", context=extract({"traceparent": INCOMING, "tracestate": "a=b", "baggage": "x=y"})):
        assert current_trace_id() == "0af7651916cd43dd8448eb211c80319c"
        headers = inject()
    assert list(headers) == ["traceparent"]
    assert headers["traceparent"].startswith("00-0af7651916cd43dd8448eb211c80319c-")
    parent = ended.get_finished_spans()[0].parent
    assert parent is not None
    assert parent.span_id == 0xB7AD6B7169203331


def test_spans_nest_and_hold_attributes(ended: InMemorySpanExporter) -> None:
    with span("outer", kind=SpanKind.SERVER) as outer, span("inner", {"messaging.system": "nats"}):
        pass
    inner = ended.get_finished_spans()[0]
    assert inner.parent == outer.get_span_context()
    assert inner.attributes == {"messaging.system": "nats"}


async def test_spans_in_threads_nest(ended: InMemorySpanExporter) -> None:
    def work() -> None:
        with span("inner"):
            pass

    threads = Threads("test", 1)
    with span("outer") as outer:
        await threads.run(work)
        context = current_context()
    threads.close()
    with in_context(context):
        work()
    first, _, second = ended.get_finished_spans()
    assert first.parent == outer.get_span_context() == second.parent


async def test_a_span_around_a_yield_does_not_leak_into_the_reader(ended: InMemorySpanExporter) -> None:
    with span("generator", current=False):
        assert current_trace_id() is None


def test_a_running_span_can_link_to_a_job_that_somebody_else_began(ended: InMemorySpanExporter) -> None:
    with span("joined"):
        add_link(INCOMING)
        add_link("nonsense")
    (link,) = ended.get_finished_spans()[0].links
    assert link.context.span_id == 0xB7AD6B7169203331


def test_of_many_traces_the_last_ones_are_linked_each_once() -> None:
    def named(trace: int, number: int) -> str:
        return f"00-{trace:032x}-{number:016x}-01"

    links = links_from(["nonsense", None, *(named(trace, 7) for trace in range(1, 41)), named(40, 8)])
    assert [link.context.trace_id for link in links] == [*range(9, 41)]
    assert links[-1].context.span_id == 8


def test_what_goes_on_with_one_of_many_traces_links_to_the_others() -> None:
    named = [f"00-{trace:032x}-{7:016x}-01" for trace in (1, 2, 1)]
    links = links_from(named, besides=extract({"traceparent": named[-1]}))
    assert [link.context.trace_id for link in links] == [2]


def test_a_span_does_not_link_to_its_own_trace(ended: InMemorySpanExporter) -> None:
    with span("request"):
        with span("job"):
            began = inject()["traceparent"]
        add_link(began)
    assert ended.get_finished_spans()[1].links == ()
