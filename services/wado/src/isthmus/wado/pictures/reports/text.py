"""A structured report as plain text, its tree told by indentation."""

from collections.abc import Iterator
from typing import Final

from isthmus.wado.pictures.reports.content import ContentItem, Report
from isthmus.wado.pictures.reports.html import INCOMPLETE
from isthmus.wado.pictures.reports.wording import printable

_INDENTATION: Final = "  "


def as_text(report: Report) -> bytes:
    """Write a report as plain text, in UTF-8."""
    lines = "\n".join(_lines(report))
    return (printable(lines) + "\n").encode("utf-8", "replace")


def _lines(report: Report) -> Iterator[str]:
    yield report.title
    yield "=" * len(report.title)
    if not report.is_whole:
        yield INCOMPLETE
    for name, value in report.heading:
        yield f"{name}: {value}"
    for child in report.content.children:
        yield ""
        yield from _item(child, "")


def _item(item: ContentItem, indentation: str) -> Iterator[str]:
    said = [item.value, *(reference.label for reference in item.references)]
    first, *others = " ".join(filter(None, said)).splitlines() or [""]
    yield f"{indentation}{item.label}: {first}".rstrip()
    deeper = indentation + _INDENTATION
    for line in others:
        yield f"{deeper}{line}".rstrip()
    for child in item.children:
        yield from _item(child, deeper)
