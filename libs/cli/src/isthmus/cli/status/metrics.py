"""What is read of the metrics that services export: by `/metrics`, in Prometheus' text form."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Self

from prometheus_client.parser import text_string_to_metric_families


@dataclass(frozen=True, slots=True)
class Numbers:
    """What one process, or all of them together, tell."""

    left_alone: frozenset[str] = frozenset()
    """Origins whose circuit is open."""
    associations: Mapping[str, int] = field(default_factory=dict)
    """Those that are open, by origin (of scp by destination)."""
    clients: int = 0
    """Associations with clients of scp."""
    cache_bytes: int | None = None

    @classmethod
    def read(cls, text: str) -> Self:
        """Read what a process tells.

        Raises:
            ValueError: it is no text of metrics.
        """
        left_alone: set[str] = set()
        associations: Counter[str] = Counter()
        clients = 0
        cache_bytes: int | None = None
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                if sample.name == "isthmus_circuit_open" and sample.value > 0:
                    left_alone.add(sample.labels.get("dicom_origin", ""))
                elif sample.name == "isthmus_associations":
                    associations[sample.labels.get("dicom_origin", "")] += int(sample.value)
                elif sample.name == "isthmus_scp_associations":
                    clients = int(sample.value)
                elif sample.name == "isthmus_cache_size_bytes":
                    cache_bytes = int(sample.value)
        return cls(frozenset(left_alone), associations, clients, cache_bytes)

    @classmethod
    def together(cls, each: Iterable[Self]) -> Self:
        """Put together what several processes tell."""
        told = [*each]
        return cls(
            frozenset().union(*(one.left_alone for one in told)),
            sum((Counter(one.associations) for one in told), Counter()),
            sum(one.clients for one in told),
            max((one.cache_bytes for one in told if one.cache_bytes is not None), default=None),
        )
