"""Each HTTP request is one span and one duration, without UIDs."""

from collections.abc import AsyncIterator

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode, format_span_id, format_trace_id
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.testclient import TestClient
from starlette.types import Message, Receive, Scope, Send

from isthmus.common.errors import StoreUnavailable
from isthmus.common.telemetry import AsgiTracing, current_trace_id, metrics_text, span

INCOMING = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


async def study(request: Request) -> Response:
    return PlainTextResponse(current_trace_id())


async def unavailable(request: Request) -> Response:
    return PlainTextResponse("away", 503)


async def fails(request: Request) -> Response:
    raise ValueError("DOE^JOHN")


async def streams(request: Request) -> Response:
    async def body() -> AsyncIterator[bytes]:
        yield b"first"
        with span("inside the body", current=False):
            yield b"second"

    return StreamingResponse(body())


async def breaks_off(request: Request) -> Response:
    async def body() -> AsyncIterator[bytes]:
        yield b"first"
        raise StoreUnavailable("S3 get: 503")

    return StreamingResponse(body())


class Leaves:
    """Says nothing to a client that has left."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass


ROUTES = [
    Route("/aets/{origin}/studies/{study}", study),
    Route("/unavailable", unavailable),
    Route("/fails", fails),
    Route("/streams", streams),
    Route("/breaks-off", breaks_off),
    Route("/healthz", study),
]


@pytest.fixture
def client(ended: InMemorySpanExporter) -> TestClient:
    return TestClient(AsgiTracing(Starlette(routes=ROUTES)), raise_server_exceptions=False)


def ids(seen: ReadableSpan) -> tuple[str, str]:
    context = seen.get_span_context()
    assert context is not None
    return format_trace_id(context.trace_id), format_span_id(context.span_id)


def request_span(ended: InMemorySpanExporter) -> ReadableSpan:
    (found,) = [each for each in ended.get_finished_spans() if each.kind is SpanKind.SERVER]
    return found


def test_an_exception_before_the_answer_is_500_with_the_trace_in_the_header(
    client: TestClient, ended: InMemorySpanExporter
) -> None:
    response = client.get("/fails")
    seen = request_span(ended)
    assert response.status_code == 500
    assert response.headers["traceresponse"].split("-")[1] == ids(seen)[0]
    assert seen.status.status_code is StatusCode.ERROR
    assert seen.attributes is not None
    assert seen.attributes["error.type"] == "ValueError"
    assert "DOE" not in seen.to_json()


def test_a_body_that_breaks_off_is_a_failed_span(ended: InMemorySpanExporter, client: TestClient) -> None:
    client.get("/breaks-off")
    seen = request_span(ended)
    assert seen.status.description == StoreUnavailable.title
    assert seen.attributes is not None
    assert seen.attributes["http.response.status_code"] == 200


def test_a_status_of_500_or_more_is_a_failed_span(ended: InMemorySpanExporter, client: TestClient) -> None:
    client.get("/unavailable")
    seen = request_span(ended)
    assert seen.status.status_code is StatusCode.ERROR
    assert seen.attributes is not None
    assert seen.attributes["error.type"] == "503"


async def test_a_client_that_left_before_its_answer_is_no_failed_span(ended: InMemorySpanExporter) -> None:
    async def gone() -> Message:
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        raise AssertionError(message)

    scope = {"type": "http", "path": "/", "method": "GET", "scheme": "http", "headers": []}
    await AsgiTracing(Leaves())(scope, gone, send)
    seen = request_span(ended)
    assert seen.status.status_code is StatusCode.UNSET
    assert seen.attributes == {"http.request.method": "GET", "url.scheme": "http"}


def test_an_unknown_path_or_method_leaves_no_trace_of_itself(
    ended: InMemorySpanExporter, client: TestClient
) -> None:
    assert client.request("BREW", "/aets/pacs/nothing/1.2.3?PatientName=DOE").status_code == 404
    seen = request_span(ended)
    assert seen.name == "_OTHER"
    assert seen.status.status_code is StatusCode.UNSET
    assert "1.2.3" not in seen.to_json()
    assert "DOE" not in seen.to_json()


def test_the_name_is_the_template_and_no_uid_and_no_query_is_kept(
    ended: InMemorySpanExporter, client: TestClient
) -> None:
    client.get("/aets/pacs/studies/1.2.3?PatientName=DOE")
    seen = request_span(ended)
    assert seen.name == "GET /aets/{origin}/studies/{study}"
    assert seen.attributes == {
        "http.request.method": "GET",
        "http.response.status_code": 200,
        "http.route": "/aets/{origin}/studies/{study}",
        "url.scheme": "http",
    }


def test_an_incoming_trace_is_continued_and_named_in_the_answer(
    ended: InMemorySpanExporter, client: TestClient
) -> None:
    response = client.get("/aets/pacs/studies/1", headers={"traceparent": INCOMING})
    _, span_id = ids(request_span(ended))
    assert response.text == "0af7651916cd43dd8448eb211c80319c"
    assert response.headers["traceresponse"] == f"00-0af7651916cd43dd8448eb211c80319c-{span_id}-01"


def test_the_span_lasts_until_the_body_is_sent_and_is_the_parent_of_what_happens_in_it(
    ended: InMemorySpanExporter, client: TestClient
) -> None:
    assert client.get("/streams").text == "firstsecond"
    inside, request = ended.get_finished_spans()
    assert inside.parent == request.get_span_context()


def test_probes_are_not_traced(ended: InMemorySpanExporter, client: TestClient) -> None:
    assert "traceresponse" not in client.get("/healthz").headers
    assert ended.get_finished_spans() == ()


def test_the_duration_is_counted_by_route_method_and_status(client: TestClient) -> None:
    client.get("/aets/pacs/studies/1.2.3")
    lines = [line for line in metrics_text().decode().splitlines() if "duration_seconds_count" in line]
    wanted = ('http_route="/aets/{origin}/studies/{study}"', 'http_request_method="GET"', 'status_code="200"')
    (line,) = [line for line in lines if all(part in line for part in wanted)]
    assert line.startswith("http_server_request_duration_seconds_count{")
    assert "1.2.3" not in line
