"""What is read of the metrics that services export: by `/metrics`, in Prometheus' text form."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Self

from prometheus_client.parser import text_string_to_metric_families

CIRCUIT_OPEN: Final = "isthmus_circuit_open"
ASSOCIATIONS: Final = "isthmus_associations"
CLIENTS: Final = "isthmus_scp_associations"
CACHE_BYTES: Final = "isthmus_cache_size_bytes"
ORIGIN: Final = "dicom_origin"
"""The label of the first two."""


@dataclass(frozen=True, slots=True)
class Numbers:
    """What one process tells."""

    left_alone: frozenset[str] = frozenset()
    """Origins whose circuit is open (of scp destinations)."""
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
                if sample.name == CIRCUIT_OPEN and sample.value > 0:
                    left_alone.add(sample.labels.get(ORIGIN, ""))
                elif sample.name == ASSOCIATIONS:
                    associations[sample.labels.get(ORIGIN, "")] += int(sample.value)
                elif sample.name == CLIENTS:
                    clients = int(sample.value)
                elif sample.name == CACHE_BYTES:
                    cache_bytes = int(sample.value)
        return cls(frozenset(left_alone), associations, clients, cache_bytes)
