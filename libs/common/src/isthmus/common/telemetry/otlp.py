"""Export to a collector: OTLP over HTTP.

What the setting does not say, the variables of OpenTelemetry do: headers, a certificate, time-outs.
"""

from dataclasses import replace

from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics.export import MetricExportResult, MetricsData
from opentelemetry.sdk.resources import Resource


def span_exporter(endpoint: str | None) -> OTLPSpanExporter:
    """Give what sends spans to a collector; by the variables alone where there is no endpoint."""
    return OTLPSpanExporter(None if endpoint is None else f"{endpoint.rstrip('/')}/v1/traces")


def metric_exporter(endpoint: str | None, resource: Resource) -> OTLPMetricExporter:
    """Give what sends metrics to a collector, as those of a resource."""
    return _MetricExporter(None if endpoint is None else f"{endpoint.rstrip('/')}/v1/metrics", resource)


class _MetricExporter(OTLPMetricExporter):
    """The instruments are there before anybody knows which service this process is: it is said here."""

    def __init__(self, endpoint: str | None, resource: Resource) -> None:
        super().__init__(endpoint)
        self._of = resource

    def export(
        self, metrics_data: MetricsData, timeout_millis: float | None = 10_000, **kwargs: object
    ) -> MetricExportResult:
        """Send them."""
        said = [replace(metrics, resource=self._of) for metrics in metrics_data.resource_metrics]
        return super().export(MetricsData(said), timeout_millis, **kwargs)
