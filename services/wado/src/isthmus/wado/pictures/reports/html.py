"""A structured report as a page that holds nothing but text and links: no value of it is taken for markup."""

from collections.abc import Iterator
from html import escape
from typing import Final
from urllib.parse import quote

from isthmus.wado.pictures.reports.content import Code, ContentItem, Reference, Report
from isthmus.wado.pictures.reports.wording import printable

_DEEPEST_HEADING: Final = 6
_STYLE: Final = (
    "body{font-family:sans-serif;line-height:1.4;margin:2em auto;max-width:50em;padding:0 1em}"
    "th{font-weight:normal;color:#555;padding-right:1.5em;text-align:left;vertical-align:top}"
    "section,.below{margin-left:1.5em}p{margin:.3em 0}.value{white-space:pre-wrap}.name{color:#555}"
    ".incomplete{border:2px solid #b00;padding:.5em}"
)
INCOMPLETE: Final = "This is not the whole report: some of its values cannot be read."


def as_html(report: Report, service: str) -> bytes:
    """Write a report as HTML, in UTF-8.

    Args:
        report: What it says.
        service: The path of the resources of its origin, for links to what it refers to.
    """
    return "".join(_page(report, service)).encode("utf-8", "replace")


def _page(report: Report, service: str) -> Iterator[str]:
    title = _text(report.title)
    yield (
        '<!DOCTYPE html>\n<html lang="und"><head><meta charset="utf-8">'
        f"<title>{title}</title><style>{_STYLE}</style></head>\n<body><h1>{title}</h1>\n"
    )
    if not report.is_whole:
        yield f'<p class="incomplete">{INCOMPLETE}</p>\n'
    yield "<table>\n"
    for name, value in report.heading:
        yield f"<tr><th>{_text(name)}</th><td>{_text(value)}</td></tr>\n"
    yield "</table>\n"
    for child in report.content.children:
        yield from _item(child, service, 2)
    yield "</body></html>\n"


def _item(item: ContentItem, service: str, level: int) -> Iterator[str]:
    if item.value_type == "CONTAINER":
        heading = f"h{min(level, _DEEPEST_HEADING)}"
        yield f"<section><{heading}{_code(item.name)}>{_text(item.label)}</{heading}>\n"
        for child in item.children:
            yield from _item(child, service, level + 1)
        yield "</section>\n"
        return
    yield f"<p><span class=name{_code(item.name)}>{_text(item.label)}:</span> "
    said = [f"<span class=value{_code(item.code)}>{_text(item.value)}</span>"] if item.value else []
    yield " ".join([*said, *(_link(reference, service) for reference in item.references)])
    yield "</p>\n"
    if item.children:
        yield "<div class=below>\n"
        for child in item.children:
            yield from _item(child, service, level)
        yield "</div>\n"


def _code(code: Code | None) -> str:
    """Give the attribute that shows a code to whoever asks for it."""
    if code is None or not code.value:
        return ""
    return f' title="{_text(f"({code.value}, {code.scheme})")}"'


def _link(reference: Reference, service: str) -> str:
    if reference.study is None or reference.series is None:
        return _text(reference.label)
    study, series, instance = (
        quote(uid, safe="") for uid in (reference.study, reference.series, reference.instance)
    )
    path = f"{service}/studies/{study}/series/{series}/instances/{instance}"
    if reference.frames:
        path += f"/frames/{','.join(map(str, reference.frames))}"
    return f'<a href="{_text(path)}/rendered">{_text(reference.label)}</a>'


def _text(text: str) -> str:
    return escape(printable(text), quote=True)
