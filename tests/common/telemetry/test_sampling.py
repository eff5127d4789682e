"""Which traces are recorded: our share, and of clients' within bounds."""

from collections.abc import Iterator

import pytest
from opentelemetry.trace import TraceFlags, get_current_span
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient

from isthmus.common.telemetry import AsgiTracing, Destination, extract, inject, setup, span
from isthmus.common.telemetry.sampling import FORCED_A_SECOND, Sampling
from tests.system.collector import Collector

TRACE = "0af7651916cd43dd8448eb211c80319c"
RECORDED = f"00-{TRACE}-b7ad6b7169203331-01"
UNRECORDED = f"00-{TRACE}-b7ad6b7169203331-00"


@pytest.fixture
def collector() -> Iterator[Collector]:
    """Somebody who takes spans."""
    with Collector() as taking:
        yield taking


def forced(sampling: Sampling, times: int) -> int:
    """How many of so many traces that a client has recorded are recorded."""
    contexts = [sampling.of_client(extract({"traceparent": RECORDED})) for _ in range(times)]
    return sum(get_current_span(context).get_span_context().trace_flags.sampled for context in contexts)


@pytest.fixture
def stopped(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock that goes on when it is told."""
    now = [0.0]
    monkeypatch.setattr("isthmus.common.telemetry.sampling.monotonic", lambda: now[0])
    return now


def test_a_client_may_force_so_many_traces_in_a_second(stopped: list[float]) -> None:
    sampling = Sampling(1e-12)
    assert forced(sampling, 100) == FORCED_A_SECOND
    stopped[0] += 0.5
    assert forced(sampling, 100) == FORCED_A_SECOND / 2
    stopped[0] += 3600
    assert forced(sampling, 100) == FORCED_A_SECOND


def test_nobody_forces_anything_where_nothing_is_recorded() -> None:
    assert forced(Sampling(0), 100) == 0


def test_where_all_is_recorded_no_client_uses_anything_up() -> None:
    assert forced(Sampling(1), 1000) == 1000


def test_beyond_the_bound_a_client_s_trace_id_does_not_decide(stopped: list[float]) -> None:
    """One of which the sampler of OpenTelemetry would take any share: its last digits are zeros."""
    sampling = Sampling(1e-12)
    chosen = {"traceparent": f"00-{'f' * 16}{'0' * 15}1-b7ad6b7169203331-01"}
    contexts = [sampling.of_client(extract(chosen)) for _ in range(100)]
    recorded = [get_current_span(each).get_span_context().trace_flags.sampled for each in contexts]
    assert sum(recorded) == FORCED_A_SECOND


async def answer(request: Request) -> Response:
    return PlainTextResponse(inject().get("traceparent", ""))


@pytest.mark.parametrize(
    ("sample", "sent", "flags"),
    [
        (1.0, None, "01"),
        (1.0, UNRECORDED, "00"),
        (0.0, None, "00"),
        (0.0, RECORDED, "00"),
        (0.5, RECORDED, "01"),
    ],
)
def test_an_answer_says_whether_its_trace_is_recorded_and_so_does_what_is_sent_on(
    collector: Collector, sample: float, sent: str | None, flags: str
) -> None:
    telemetry = setup("wado", Destination(collector.endpoint, sample=sample))
    client = TestClient(AsgiTracing(Starlette(routes=[Route("/", answer)])))
    response = client.get("/", headers={} if sent is None else {"traceparent": sent})
    assert response.headers["traceresponse"].endswith(f"-{flags}")
    *same, sent_on = response.text.split("-")
    assert response.headers["traceresponse"].split("-")[:3] == same
    assert int(sent_on, 16) & TraceFlags.SAMPLED == int(flags)
    telemetry.shutdown()
    assert len(collector.all_spans()) == int(flags)


def test_of_what_begins_here_the_share_is_recorded(collector: Collector) -> None:
    telemetry = setup("wado", Destination(collector.endpoint, sample=0.25))
    recorded = 0
    for _ in range(2000):
        with span("work") as work:
            recorded += work.is_recording()
    telemetry.shutdown()
    assert 350 < recorded < 650  # one in 10^15 runs is outside
