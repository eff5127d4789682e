"""What the dashboards are made of: a file for each, of rows of panels with their queries."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Final

import yaml
from pydantic import BaseModel, ConfigDict

FOLDER: Final = Path(__file__).parent
NAMES: Final = ("overview", "pacs", "retrieve", "arrivals")


class Kind(StrEnum):
    """How something is shown, by Grafana's names."""

    LINES = "timeseries"
    NUMBER = "stat"
    STATES = "state-timeline"
    TABLE = "table"


class Unit(StrEnum):
    """What numbers are, by Grafana's names."""

    NUMBER = "short"
    SECONDS = "s"
    BYTES = "bytes"
    BYTES_A_SECOND = "Bps"
    A_SECOND = "ops"
    SHARE = "percentunit"


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Query(_Part):
    """What Prometheus is asked."""

    expr: str
    legend: str = "__auto"
    """What a line of the answer is called."""
    driven: bool = False
    """Whether a system that was driven once has an answer: a test looks."""


class Panel(_Part):
    """A part of a dashboard."""

    title: str
    description: str
    unit: Unit
    queries: Sequence[Query]
    kind: Kind = Kind.LINES
    size: tuple[int, int] = (8, 8)
    """Columns, of which there are 24, and rows of Grafana's grid."""
    bounds: Mapping[str, float] = {}
    """From which value on it has which colour, from the lowest on; green below."""
    stacked: bool = False
    words: Mapping[str, tuple[str, str]] = {}
    """The word and the colour that stand for a value."""


class Row(_Part):
    """Panels that belong together."""

    title: str
    panels: Sequence[Panel]


class Dashboard(_Part):
    """A page of Grafana."""

    title: str
    description: str
    rows: Sequence[Row]
    variables: Mapping[str, str] = {}
    """What the reader chooses, by the query for its values; all of them at first."""

    @property
    def panels(self) -> Sequence[Panel]:
        """All of them, in their order."""
        return [panel for row in self.rows for panel in row.panels]


def dashboards() -> Mapping[str, Dashboard]:
    """Read all of them."""
    return {
        name: Dashboard.model_validate(yaml.safe_load((FOLDER / f"{name}.yaml").read_text()))
        for name in NAMES
    }
