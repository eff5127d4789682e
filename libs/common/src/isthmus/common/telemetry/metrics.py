"""Metrics: what an instrument is, and how Prometheus reads all of the process at `/metrics`.

The instruments themselves are defined in `instruments`.
"""

import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from time import monotonic
from typing import Final

from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.metrics import CallbackOptions, Counter, Histogram, Observation, UpDownCounter
from opentelemetry.sdk.metrics import AlwaysOffExemplarFilter, MeterProvider
from opentelemetry.sdk.metrics.export import MetricReader
from prometheus_client import CollectorRegistry, generate_latest

SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
"""Buckets of a duration: the convention's, and two for retrieves."""
LONG_SECONDS: Final = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600)
"""Buckets of what may last for an hour: associations, retrieves."""
BYTES: Final = (2**10, 2**14, 2**18, 2**22, 2**26, 2**30, 2**34)
"""Buckets of a size: 1 KiB to 16 GiB."""

Attributes = Mapping[str, str | bool | int]


class Kind(StrEnum):
    """What becomes of the measurements."""

    COUNTER = "counter"
    UP_DOWN = "up-down counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Definition:
    """An instrument, as docs/telemetry.md tells of it."""

    name: str
    kind: Kind
    unit: str
    """By UCUM: "s", "By", "{instance}"; "" of what is yes or no."""
    description: str
    attributes: tuple[str, ...]
    """All that its measurements may have."""
    services: tuple[str, ...]
    """Which export it."""

    @property
    def prometheus(self) -> str:
        """Its name in `/metrics`; of a histogram without `_bucket`, `_sum` and `_count`."""
        unit = {"s": "_seconds", "By": "_bytes"}.get(self.unit, "")
        total = "_total" if self.kind is Kind.COUNTER else ""
        return self.name.replace(".", "_") + unit + total


# Of the process, like the instruments that are defined: a service name comes from who scrapes it.
_registry = CollectorRegistry()
_reader = PrometheusMetricReader(disable_target_info=True, scope_info_enabled=False, registry=_registry)
# Examples of measurements, by their trace: Prometheus' text form has no place for them, and each costs time.
_provider = MeterProvider(
    metric_readers=[_reader], exemplar_filter=AlwaysOffExemplarFilter(), shutdown_on_exit=False
)
_meter = _provider.get_meter("isthmus")
_definitions: dict[str, Definition] = {}


class Gauge:
    """A number that was seen last, for each set of attributes; unlike OpenTelemetry's own it can go away."""

    def __init__(self, name: str, unit: str, description: str) -> None:
        self._lock = threading.Lock()
        self._seen: dict[frozenset[tuple[str, str | bool | int]], tuple[float, float]] = {}
        """The values, and until when each holds, by the monotonic clock."""
        _meter.create_observable_gauge(name, [self._observe], unit, description)

    def set(self, value: float, attributes: Attributes | None = None, *, lasts: float = float("inf")) -> None:
        """Tell what was seen.

        Args:
            value: how much.
            attributes: of what.
            lasts: for how many seconds: an old number must not look like one of now.
        """
        with self._lock:
            self._seen[frozenset((attributes or {}).items())] = value, monotonic() + lasts

    def replace(self, values: Iterable[tuple[float, Attributes]], *, lasts: float = float("inf")) -> None:
        """Tell all that there is: what is not among it is no more."""
        until = monotonic() + lasts
        seen = {frozenset(attributes.items()): (value, until) for value, attributes in values}
        with self._lock:
            self._seen = seen

    def forget(self, attributes: Attributes | None = None) -> None:
        """Tell nothing more of it: nobody knows, or another process does."""
        with self._lock:
            self._seen.pop(frozenset((attributes or {}).items()), None)

    def _observe(self, _: CallbackOptions) -> Iterable[Observation]:
        now = monotonic()
        with self._lock:
            self._seen = {key: seen for key, seen in self._seen.items() if seen[1] > now}
            # Of a yes or no too: OTLP's encoder would drop all metrics because of one that is no number.
            return [Observation(float(value), dict(key)) for key, (value, _) in self._seen.items()]


def counter(
    name: str, unit: str, description: str, attributes: Sequence[str] = (), services: Sequence[str] = ()
) -> Counter:
    """Define something that is counted."""
    _define(name, Kind.COUNTER, unit, description, attributes, services)
    return _meter.create_counter(name, unit, description)


def up_down(
    name: str, unit: str, description: str, attributes: Sequence[str] = (), services: Sequence[str] = ()
) -> UpDownCounter:
    """Define something that comes and goes, one by one, as associations: processes' numbers add up."""
    _define(name, Kind.UP_DOWN, unit, description, attributes, services)
    return _meter.create_up_down_counter(name, unit, description)


def gauge(
    name: str, unit: str, description: str, attributes: Sequence[str] = (), services: Sequence[str] = ()
) -> Gauge:
    """Define something of which the last number is told."""
    _define(name, Kind.GAUGE, unit, description, attributes, services)
    return Gauge(name, unit, description)


def histogram(
    name: str,
    unit: str,
    description: str,
    attributes: Sequence[str] = (),
    services: Sequence[str] = (),
    *,
    buckets: Sequence[float] = SECONDS,
) -> Histogram:
    """Define something that is distributed, by default a duration in seconds (`unit` "s")."""
    _define(name, Kind.HISTOGRAM, unit, description, attributes, services)
    return _meter.create_histogram(
        name, unit, description, explicit_bucket_boundaries_advisory=[float(bound) for bound in buckets]
    )


def _define(
    name: str, kind: Kind, unit: str, description: str, attributes: Sequence[str], services: Sequence[str]
) -> None:
    _definitions[name] = Definition(name, kind, unit, description, tuple(attributes), tuple(services))


def definitions() -> Sequence[Definition]:
    """Give all instruments that are defined, by their names."""
    return [_definitions[name] for name in sorted(_definitions)]


def metrics_text() -> bytes:
    """Give all metrics of the process in Prometheus' text form (`text/plain; version=0.0.4`)."""
    return generate_latest(_registry)


def read_by(reader: MetricReader) -> None:
    """Have all metrics of the process collected by one more reader, which sends them on."""
    _provider.add_metric_reader(reader)
