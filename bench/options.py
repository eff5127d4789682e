"""What a run measures, with what, and how often."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

RESULTS: Final = Path(__file__).with_name("results.md")


@dataclass(frozen=True, kw_only=True)
class Options:
    """One run; the defaults are those of the table that is published."""

    instances: int = 300
    """Of the study that most measures are about."""
    pixels: int = 512
    """Rows, and columns, of its images."""
    few: int = 30
    """Instances of the small study."""
    matches: int = 1000
    """Of the large search."""
    many: int = 5000
    """Small instances of the study that must not cost memory."""
    large: int = 2**30
    """Bytes of the instance of many frames."""
    frames: int = 1000
    """Of the instances of which single frames are wanted."""
    findings: int = 10_000
    """Of the structured report."""
    searches: int = 30
    """Small searches, one after the other on one connection, in each round."""
    events: int = 100_000
    """That wait when arrivals starts."""
    clients: tuple[int, int] = (50, 20)
    """How many at once want the small study, and the study."""
    slow: int = 500
    """Connections that send a byte a second."""
    rounds: int = 5
    rivals: dict[str, str] = field(default_factory=dict)
    """DICOMweb base URLs by name."""
    pacs_port: int | None = None
    """Where the PACS listens for DIMSE, for rivals that stand before it; any free port by default."""
    only: frozenset[str] = frozenset()
    """The measures that are wanted; all by default."""
    output: Path = RESULTS
