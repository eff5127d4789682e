"""A collector of traces and metrics: OTLP over HTTP, in protobuf, as much of it as one sender needs."""

import gzip
import threading
from collections.abc import Iterable, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Final, Self

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric, ResourceMetrics
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from isthmus.common.telemetry import SpanEvent, SpanLink, SpanRecord
from isthmus.common.telemetry.records import AttributeValue

TRACES: Final = "/v1/traces"
METRICS: Final = "/v1/metrics"
LOOPBACK: Final = "127.0.0.1"


class Collector:
    """Keeps what is sent to it; a context manager."""

    def __init__(self) -> None:
        """Listen on a free port of loopback."""
        self._spans: list[SpanRecord] = []
        self._metrics: list[ResourceMetrics] = []
        self._resources: list[dict[str, AttributeValue]] = []
        self._lock = threading.Lock()
        collector = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                if self.path == TRACES:
                    collector.take(body)
                elif self.path == METRICS:
                    collector.take_metrics(body)
                answer = ExportTraceServiceResponse().SerializeToString()  # empty, as that of metrics is
                self.send_response(200 if self.path in (TRACES, METRICS) else 404)
                self.send_header("Content-Type", "application/x-protobuf")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002  http.server's name
                """Write no line for each request."""

        self._server = ThreadingHTTPServer((LOOPBACK, 0), Handler)
        self._server.daemon_threads = True
        self.endpoint: Final = f"http://{LOOPBACK}:{self._server.server_address[1]}"
        """For OTEL_EXPORTER_OTLP_ENDPOINT."""
        self._thread = threading.Thread(target=self._server.serve_forever, args=[0.05])
        self._thread.start()

    def take(self, body: bytes) -> None:
        """Keep the spans of a request."""
        request = ExportTraceServiceRequest.FromString(body)
        records = [
            _record(span, str(_attributes(resource.resource.attributes)["service.name"]))
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]
        with self._lock:
            self._spans += records
            self._resources += [_attributes(one.resource.attributes) for one in request.resource_spans]

    def take_metrics(self, body: bytes) -> None:
        """Keep the metrics of a request."""
        request = ExportMetricsServiceRequest.FromString(body)
        with self._lock:
            self._metrics += request.resource_metrics
            self._resources += [_attributes(one.resource.attributes) for one in request.resource_metrics]

    def all_spans(self) -> list[SpanRecord]:
        """Give all that has come until now."""
        with self._lock:
            return [*self._spans]

    def metrics(self) -> dict[str, set[str]]:
        """Name the metrics that have come until now, with the attributes that some of their points have."""
        found: dict[str, set[str]] = {}
        with self._lock:
            for metric in (
                one for sent in self._metrics for scope in sent.scope_metrics for one in scope.metrics
            ):
                found.setdefault(metric.name, set()).update(_labels(metric))
        return found

    def measuring(self) -> set[str]:
        """Name the services of which metrics have come until now."""
        with self._lock:
            return {str(_attributes(one.resource.attributes)["service.name"]) for one in self._metrics}

    def resources(self) -> list[dict[str, AttributeValue]]:
        """Tell who has sent something, once for each time."""
        with self._lock:
            return [*self._resources]

    def texts(self) -> dict[str, str]:
        """Give all that has come, as texts in which one can look for something."""
        kinds: dict[str, Sequence[object]] = {
            "spans": self._spans,
            "metrics": self._metrics,
            "resources": self._resources,
        }
        with self._lock:
            return {kind: "\n".join(map(str, some)) for kind, some in kinds.items()}

    def spans(self, trace_id: str) -> list[SpanRecord]:
        """Give what has come of a trace until now."""
        with self._lock:
            return [span for span in self._spans if span.trace_id == trace_id]

    def text(self) -> str:
        """Give all of them as one."""
        return "\n".join(self.texts().values())

    def stop(self) -> None:
        """Listen no more."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def _record(span: Span, service: str) -> SpanRecord:
    return SpanRecord(
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent_id=span.parent_span_id.hex() or None,
        name=span.name,
        kind=Span.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_").lower(),
        service=service,
        start=span.start_time_unix_nano,
        end=span.end_time_unix_nano,
        status=Status.StatusCode.Name(span.status.code).removeprefix("STATUS_CODE_").lower(),
        message=span.status.message or None,
        attributes=_attributes(span.attributes),
        links=tuple(SpanLink(link.trace_id.hex(), link.span_id.hex()) for link in span.links),
        events=tuple(
            SpanEvent(event.name, event.time_unix_nano, _attributes(event.attributes))
            for event in span.events
        ),
    )


def _labels(metric: Metric) -> set[str]:
    kinds = (metric.gauge.data_points, metric.sum.data_points, metric.histogram.data_points)
    return {pair.key for points in kinds for point in points for pair in point.attributes}


def _attributes(pairs: Iterable[KeyValue]) -> dict[str, AttributeValue]:
    return {pair.key: _value(pair.value) for pair in pairs}


def _value(value: AnyValue) -> AttributeValue:
    match value.WhichOneof("value"):
        case "bool_value":
            return value.bool_value
        case "int_value":
            return value.int_value
        case "double_value":
            return value.double_value
        case _:
            return value.string_value
