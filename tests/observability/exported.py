"""Whether what dashboards and alerts name is exported: by what the code defines, and by what systems say."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from prometheus_client.parser import text_string_to_metric_families

from isthmus.common.telemetry import instruments
from isthmus.common.telemetry.metrics import Kind, definitions
from tests.observability.dashboards.sources import dashboards
from tests.observability.promql import named, named_by_variable
from tests.observability.rules import recordings, rules

OF_PROMETHEUS: Final = {
    "up": frozenset({"job", "instance", "service"}),
    "ALERTS": frozenset({"alertname", "alertstate", "severity", "dicom_origin", "service", "isthmus_queue"}),
}
"""What it makes itself, of what it scrapes and of the rules."""
OF_OTHERS: Final = {
    "minio_cluster_health_capacity_usable_free_bytes": frozenset({"job"}),
    "minio_cluster_health_capacity_usable_total_bytes": frozenset({"job"}),
    "SeaweedFS_volumeServer_resource": frozenset({"job", "name", "type"}),
}
"""What S3 tells: MinIO, as its documentation of metrics v3 has it, or SeaweedFS."""
OF_THE_SCRAPE: Final = frozenset({"job", "instance", "service"})
"""Labels that all have by prometheus.yml."""
SELDOM: Final[Mapping[str, str]] = {
    "isthmus_audit_exported_total": "a syslog server takes the audit",
    "isthmus_cache_evictions_total": "more is held than may be",
    "isthmus_inbox_expired_total": "a study of an inbox is older than keep_days",
    "isthmus_queue_oldest_age_seconds": "something waits at this moment",
}
"""What there is only where something is so that takes days, or other settings than most have."""


def named_metrics() -> Mapping[str, frozenset[str]]:
    """Give what dashboards and alerts name of ours, with the labels that they use."""
    metrics: dict[str, frozenset[str]] = {}
    for found in (*_of_rules(), *_of_dashboards()):
        for name, labels in found.items():
            metrics[name] = metrics.get(name, frozenset()) | labels
    return {
        name: labels - OF_THE_SCRAPE
        for name, labels in sorted(metrics.items())
        if name not in OF_PROMETHEUS and name not in OF_OTHERS
    }


def defined() -> Mapping[str, frozenset[str]]:
    """Give all that the instruments of the system export, by Prometheus' names, with their labels."""
    return sent({one.name: one.attributes for one in definitions()})


def sent(metrics: Mapping[str, Iterable[str]]) -> Mapping[str, frozenset[str]]:
    """Give by Prometheus' names what is named as OpenTelemetry does: metrics, with their attributes."""
    assert instruments.queue_length is not None  # they are defined where this module is imported
    found: dict[str, frozenset[str]] = {}
    for one in definitions():
        if one.name not in metrics:
            continue
        labels = frozenset(name.replace(".", "_") for name in metrics[one.name])
        if one.kind is Kind.HISTOGRAM:
            found |= {f"{one.prometheus}_{part}": labels for part in ("sum", "count")}
            found[f"{one.prometheus}_bucket"] = labels | {"le"}
        else:
            found[one.prometheus] = labels
    return found


def told(text: str) -> Mapping[str, frozenset[str]]:
    """Give what is in the text of `/metrics`, of one process or of several one after the other."""
    found: dict[str, frozenset[str]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found[sample.name] = found.get(sample.name, frozenset()) | set(sample.labels)
    return found


def check(there: Mapping[str, frozenset[str]]) -> list[str]:
    """Say what dashboards and alerts name, and a system that was driven through all its flows does not tell.

    What there is seldom may lack.
    """
    return [complaint for complaint in lacking(there) if complaint.partition(":")[0] not in SELDOM]


def lacking(there: Mapping[str, frozenset[str]]) -> list[str]:
    """Say of what is named what is not there."""
    return [
        f"{name}: there is none" if name not in there else f"{name}: has no {', '.join(sorted(without))}"
        for name, labels in named_metrics().items()
        if (without := labels - there.get(name, frozenset())) or name not in there
    ]


def _of_rules() -> Iterator[Mapping[str, frozenset[str]]]:
    yield from (named(one.expression) for one in recordings())
    for rule in rules():
        yield from _worked_out(named(rule.expression))


def _worked_out(names: Mapping[str, frozenset[str]]) -> Iterator[Mapping[str, frozenset[str]]]:
    """Give of what Prometheus works out what it is made of."""
    recorded = {one.name: named(one.expression) for one in recordings()}
    for name, labels in names.items():
        yield dict.fromkeys(recorded.get(name, [name]), labels)


def _of_dashboards() -> Iterator[Mapping[str, frozenset[str]]]:
    for dashboard in dashboards().values():
        for panel in dashboard.panels:
            for query in panel.queries:
                yield from _worked_out(named(query.expr))
        yield from map(named_by_variable, dashboard.variables.values())
