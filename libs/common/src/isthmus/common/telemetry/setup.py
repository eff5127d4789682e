"""Where the spans and metrics of this process go."""

import os
import threading
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Final

from opentelemetry.sdk.environment_variables import (
    OTEL_EXPORTER_OTLP_ENDPOINT,
    OTEL_EXPORTER_OTLP_METRICS_ENDPOINT,
    OTEL_EXPORTER_OTLP_TRACES_ENDPOINT,
)
from opentelemetry.sdk.metrics.export import MetricReader, PeriodicExportingMetricReader
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.trace import NoOpTracerProvider

from isthmus.common.telemetry.metrics import read_by
from isthmus.common.telemetry.sampling import Sampling
from isthmus.common.telemetry.span_file import FileSpanExporter
from isthmus.common.telemetry.spans import install

EXPORT_EVERY_MS: Final = 200
"""A trace is there soon after the answer that names it."""
MOST_WAITING: Final = 16384
"""Spans; more are dropped, and nobody waits for them."""


@dataclass(frozen=True, slots=True)
class Destination:
    """Where telemetry goes, and how much of it."""

    otlp: str | None = None
    """The collector, as "http://127.0.0.1:4318"; None: as the variables of OpenTelemetry say."""
    traces_file: Path | None = None
    """Where spans go if there is no collector; by convention `DATA/traces/{service}-{pid}.jsonl`."""
    sample: float = 1.0
    """The share of traces that is recorded, from 0 to 1."""

    @property
    def takes_spans(self) -> bool:
        """Whether a collector takes spans."""
        return self.otlp is not None or _is_set(OTEL_EXPORTER_OTLP_TRACES_ENDPOINT)

    @property
    def takes_metrics(self) -> bool:
        """Whether a collector takes metrics."""
        return self.otlp is not None or _is_set(OTEL_EXPORTER_OTLP_METRICS_ENDPOINT)


def _is_set(variable: str) -> bool:
    return bool(os.environ.get(OTEL_EXPORTER_OTLP_ENDPOINT) or os.environ.get(variable))


class Telemetry:
    """The running export of spans and metrics; `shutdown` writes what is left."""

    def __init__(self, provider: TracerProvider, metrics: MetricReader | None) -> None:
        self._provider = provider
        self._metrics = metrics

    def flush(self) -> None:
        """Export what has ended until now."""
        self._provider.force_flush()

    def shutdown(self, timeout: float = 3) -> None:
        """Export what is left, for `timeout` seconds at most: a collector that is away holds nobody up."""
        install(NoOpTracerProvider())
        last = threading.Thread(target=self._end, name="telemetry", daemon=True)
        last.start()
        last.join(timeout)

    def _end(self) -> None:
        self._provider.shutdown()
        if self._metrics is not None:
            self._metrics.shutdown()


def setup(service: str, destination: Destination) -> Telemetry:
    """Export the spans and metrics of this process from now on.

    Spans go to a collector, else to a file, else nowhere; metrics to a collector too, beside `/metrics`.
    Where spans go nowhere, traces have ids all the same, by which logs and the audit name them.

    Args:
        service: the `service.name`, as "wado".
        destination: where to.
    """
    resource = Resource.create({SERVICE_NAME: service, SERVICE_VERSION: version("isthmus-common")})
    exporter = _span_exporter(service, destination)
    sampling = Sampling(destination.sample if exporter is not None else 0)
    provider = TracerProvider(sampling.sampler, resource, shutdown_on_exit=False)
    if exporter is not None:
        provider.add_span_processor(
            BatchSpanProcessor(exporter, max_queue_size=MOST_WAITING, schedule_delay_millis=EXPORT_EVERY_MS)
        )
    install(provider, sampling)
    return Telemetry(provider, _metrics(destination, resource))


def _span_exporter(service: str, destination: Destination) -> SpanExporter | None:
    if destination.takes_spans:
        # Imported where it is used: it is a tenth of what a process imports, and most have no collector.
        from isthmus.common.telemetry.otlp import span_exporter  # noqa: PLC0415

        return span_exporter(destination.otlp)
    file = destination.traces_file
    return FileSpanExporter(file, service) if file is not None else None


def _metrics(destination: Destination, resource: Resource) -> MetricReader | None:
    if not destination.takes_metrics:
        return None
    from isthmus.common.telemetry.otlp import metric_exporter  # noqa: PLC0415

    reader = PeriodicExportingMetricReader(metric_exporter(destination.otlp, resource))
    read_by(reader)
    return reader
