"""Traces go on through arrivals: from what came in, over the study's event, to who is told of it."""

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import format_trace_id

from isthmus.common.telemetry import TRACEPARENT, current_trace_id, extract, span
from tests.arrivals.conftest import Arrivals
from tests.arrivals.sender import Sender
from tests.arrivals.subscriber import Subscriber
from tests.ended_spans import ended

__all__ = ["ended"]  # a fixture


def named(ended: InMemorySpanExporter, name: str) -> list[ReadableSpan]:
    return [one for one in ended.get_finished_spans() if one.name == name]


def trace_of(one: ReadableSpan) -> str:
    context = one.get_span_context()
    assert context is not None
    return format_trace_id(context.trace_id)


async def test_what_is_merged_at_once_links_to_the_traces_in_which_it_came(
    arrivals: Arrivals, send: Sender, subscriber: Subscriber, ended: InMemorySpanExporter
) -> None:
    came = []
    for number in range(3):
        with span("C-STORE"):
            came.append(current_trace_id())
            await send.instances("1.2", [number])
    async with arrivals.running():
        event = await subscriber.next()
    (merged,) = named(ended, "merge into study")
    assert trace_of(merged) == came[2]
    assert [format_trace_id(link.context.trace_id) for link in merged.links] == came[:2]
    assert merged.attributes is not None
    assert merged.attributes["isthmus.events"] == 3
    (published,) = named(ended, "publish study.arrived")
    assert trace_of(published) == came[2]
    assert event.traceparent is not None
    assert event.traceparent.split("-")[1] == came[2]


async def test_of_two_who_send_in_turn_the_trace_of_each_leads_to_the_study(
    arrivals: Arrivals, send: Sender, subscriber: Subscriber, ended: InMemorySpanExporter
) -> None:
    for number, sender in enumerate("aba"):
        with span("C-STORE", context=extract({TRACEPARENT: f"00-{32 * sender}-{16 * sender}-01"})):
            await send.instances("1.2", [number])
    async with arrivals.running():
        await subscriber.next()
    (merged,) = named(ended, "merge into study")
    assert trace_of(merged) == 32 * "a"
    assert [format_trace_id(link.context.trace_id) for link in merged.links] == [32 * "b"]
