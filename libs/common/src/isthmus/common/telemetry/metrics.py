"""Metrics: one definition of each instrument, read by Prometheus at `/metrics`."""

from collections.abc import Sequence

from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.metrics import Counter, Histogram, UpDownCounter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricReader
from prometheus_client import CollectorRegistry, generate_latest

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
"""Buckets of a duration: the convention's, and two for retrieves."""

# Of the process, like the instruments that modules define: a service name comes from who scrapes it.
_registry = CollectorRegistry()
_reader = PrometheusMetricReader(disable_target_info=True, scope_info_enabled=False, registry=_registry)
_provider = MeterProvider(metric_readers=[_reader], shutdown_on_exit=False)
_meter = _provider.get_meter("isthmus")


def counter(name: str, unit: str, description: str) -> Counter:
    """Define something that is counted (`unit` by UCUM: "{instance}", "By")."""
    return _meter.create_counter(name, unit, description)


def gauge(name: str, unit: str, description: str) -> UpDownCounter:
    """Define something that goes up and down, as open associations."""
    return _meter.create_up_down_counter(name, unit, description)


def histogram(name: str, unit: str, description: str, buckets: Sequence[float] = SECONDS) -> Histogram:
    """Define something that is distributed, by default a duration in seconds (`unit` "s")."""
    return _meter.create_histogram(
        name, unit, description, explicit_bucket_boundaries_advisory=[float(bound) for bound in buckets]
    )


def metrics_text() -> bytes:
    """Give all metrics of the process in Prometheus' text form (`text/plain; version=0.0.4`)."""
    return generate_latest(_registry)


def read_by(reader: MetricReader) -> None:
    """Have all metrics of the process collected by one more reader, which sends them on."""
    _provider.add_metric_reader(reader)
