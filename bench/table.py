"""The table of results: what was measured, what bounds it, and whether it is as fast as is wanted."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of the table, ready to be written."""

    measure: str
    ours: str
    bound: str = ""
    ratio: str = ""
    wanted: str = ""
    met: bool | None = None
    """None where nothing is wanted."""


@dataclass
class Section:
    """What one measure gave."""

    title: str
    rows: list[Row] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def speed(
    measure: str,
    ours: Sequence[float],
    bound: Sequence[float],
    *,
    size: int | None = None,
    at_least: float | None = None,
    goal: float | None = None,
) -> Row:
    """Compare how fast two do the same.

    Args:
        measure: what is compared with what.
        ours: the seconds of each round.
        bound: those of the other.
        size: the bytes that were moved, where the speed is worth telling.
        at_least: how many times as fast as the other is wanted.
        goal: how many times we want to get to in the end.
    """
    ratio = median(bound) / median(ours)
    wanted = "" if at_least is None else f">= {at_least:g}" + ("" if goal is None else f" ({goal:g})")
    return Row(
        measure=measure,
        ours=_quantity(ours, size),
        bound=_quantity(bound, size),
        ratio=f"{ratio:.2f} x",
        wanted=wanted,
        met=None if at_least is None else ratio >= at_least,
    )


def delay(measure: str, ours: Sequence[float], bound: Sequence[float], *, at_most: float) -> Row:
    """Compare times: how much later ours may be, in seconds."""
    later = median(ours) - median(bound)
    return Row(
        measure=measure,
        ours=_quantity(ours),
        bound=_quantity(bound),
        ratio=f"{later * 1000:+.1f} ms",
        wanted=f"<= +{at_most * 1000:g} ms",
        met=later <= at_most,
    )


def longer(measure: str, ours: Sequence[float], bound: Sequence[float], *, at_most: float) -> Row:
    """Compare times: how many times as long ours may take."""
    ratio = median(ours) / median(bound)
    return Row(
        measure=measure,
        ours=_quantity(ours),
        bound=_quantity(bound),
        ratio=f"{ratio:.2f} x its time",
        wanted=f"<= {at_most:g} x",
        met=ratio <= at_most,
    )


def within(measure: str, ours: Sequence[float], at_most: float) -> Row:
    """Say how long something took, and how long it may."""
    return Row(
        measure=measure,
        ours=_quantity(ours),
        wanted=f"<= {at_most:g} s",
        met=median(ours) <= at_most,
    )


def below(measure: str, ours: float, at_most: float, unit: str) -> Row:
    """Compare a quantity with what it may be at most."""
    return Row(
        measure=measure,
        ours=f"{ours:.4g} {unit}",
        wanted=f"<= {at_most:g} {unit}",
        met=ours <= at_most,
    )


def failed(measure: str, reason: object) -> Row:
    """Say that there is nothing to compare."""
    return Row(measure=measure, ours=f"failed: {reason}", met=False)


def seconds(times: Sequence[float]) -> str:
    """Write the median of times."""
    return _quantity(times)


def _quantity(times: Sequence[float], size: int | None = None) -> str:
    middle = median(times)
    time = f"{middle:.2f} s" if middle >= 1 else f"{middle * 1000:.3g} ms"
    return time if size is None else f"{size / middle / 1e6:.0f} MB/s ({time})"


def markdown(sections: Sequence[Section]) -> str:
    """Write all sections as one table, and the notes below it."""
    lines = [
        "| measure | median ours | median bound | ratio | wanted | met? |",
        "|---|---|---|---|---|---|",
    ]
    for section in sections:
        for row in section.rows:
            met = {True: "yes", False: "**no**", None: ""}[row.met]
            cells = (row.measure, row.ours, row.bound, row.ratio, row.wanted, met)
            lines.append(f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |")
    for section in sections:
        if section.notes:
            lines += ["", f"**{section.title}.** " + " ".join(section.notes)]
    return "\n".join(lines) + "\n"
