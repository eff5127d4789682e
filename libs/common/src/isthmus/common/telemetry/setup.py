"""Where the spans of this process go."""

import os
import threading
from pathlib import Path

from opentelemetry.sdk.environment_variables import (
    OTEL_EXPORTER_OTLP_ENDPOINT,
    OTEL_EXPORTER_OTLP_TRACES_ENDPOINT,
)
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.trace import NoOpTracerProvider

from isthmus.common.telemetry.span_file import FileSpanExporter
from isthmus.common.telemetry.spans import install

EXPORT_EVERY_MS = 200  # a trace is there soon after the answer that names it


class Telemetry:
    """The running export of spans; `shutdown` writes what is left."""

    def __init__(self, provider: TracerProvider | None) -> None:
        self._provider = provider

    def flush(self) -> None:
        """Export what has ended until now."""
        if self._provider is not None:
            self._provider.force_flush()

    def shutdown(self, timeout: float = 3) -> None:
        """Export what is left, for `timeout` seconds at most: a collector that is away holds nobody up."""
        install(NoOpTracerProvider())
        if self._provider is not None:
            last = threading.Thread(target=self._provider.shutdown, name="telemetry", daemon=True)
            last.start()
            last.join(timeout)


def setup(service: str, *, traces_file: Path | None) -> Telemetry:
    """Export the spans of this process from now on.

    They go to the collector of `OTEL_EXPORTER_OTLP_ENDPOINT` (OTLP over HTTP) where that is set, else as
    lines of JSON to `traces_file`, else nowhere. The other variables of OpenTelemetry (sampler, headers,
    resource) hold too.

    Args:
        service: the `service.name`, as "wado".
        traces_file: by convention `DATA/traces/{service}-{pid}.jsonl`.
    """
    exporter = _exporter(service, traces_file)
    if exporter is None:
        return Telemetry(None)
    provider = TracerProvider(resource=Resource.create({SERVICE_NAME: service}), shutdown_on_exit=False)
    provider.add_span_processor(
        BatchSpanProcessor(exporter, max_queue_size=16384, schedule_delay_millis=EXPORT_EVERY_MS)
    )
    install(provider)
    return Telemetry(provider)


def _exporter(service: str, traces_file: Path | None) -> SpanExporter | None:
    if os.environ.get(OTEL_EXPORTER_OTLP_ENDPOINT) or os.environ.get(OTEL_EXPORTER_OTLP_TRACES_ENDPOINT):
        # Imported where it is used: it is a tenth of what a process imports, and most have no collector.
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415
            OTLPSpanExporter,
        )

        return OTLPSpanExporter()
    return FileSpanExporter(traces_file, service) if traces_file is not None else None
