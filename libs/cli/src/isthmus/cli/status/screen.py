"""The status as one screen: 80 columns do, and what is not well says why in a line of its own."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.padding import Padding
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from isthmus.cli.status.model import Answer, Health, Origin, Part, Service, Status
from isthmus.cli.status.verdict import Problem, queue_title, verdict
from isthmus.cli.status.words import age, counted, size

_GOOD: Final = "green"
_BAD: Final = "red"
_SOSO: Final = "yellow"
_DIM: Final = "dim"
_HEALTH: Final = {Health.READY: _GOOD, Health.RUNNING: _GOOD, Health.NOT_READY: _SOSO}
_ANSWER: Final = {Answer.ANSWERS: _GOOD, Answer.BUSY: _SOSO}
_CIRCUIT: Final = {True: Text("open", style=_BAD), False: "closed", None: "-"}
_NAME_WIDTH: Final = 26
_STATE_WIDTH: Final = 9


def screen(status: Status, found: Sequence[Problem], *, is_low: bool = False) -> RenderableType:
    """Draw it, the verdict on top; for a low terminal without what is well of the services."""
    return Group(*_lines(status, found, is_low=is_low))


@dataclass(frozen=True, slots=True)
class Fitted:
    """The screen in a terminal, which cannot be scrolled: what has no room is left out, and that is told."""

    status: Status
    found: Sequence[Problem]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Give its lines, as many as there is room for (called by rich)."""
        height = options.size.height
        for is_low in (False, True):
            drawn = screen(self.status, self.found, is_low=is_low)
            lines = console.render_lines(drawn, options.reset_height(), pad=False)
            if len(lines) <= height:
                break
        else:
            left_out = f"... {counted(len(lines) - height + 1, 'line')} more: isthmus status, without --watch"
            lines = [*lines[: height - 1], [Segment(left_out)]]
        for line in lines:
            yield from line
            yield Segment.line()


def _lines(status: Status, found: Sequence[Problem], *, is_low: bool) -> Iterator[RenderableType]:
    at = datetime.fromtimestamp(status.at, UTC).strftime("%H:%M:%S")
    yield Text.assemble(
        ("isthmus ", "bold"), (verdict(found), f"bold {_BAD if found else _GOOD}"), (f"  {at} UTC", _DIM)
    )
    yield Text()
    yield from _services(status, is_low=is_low)
    yield from _origins(status)
    yield from _queues(status)
    yield from _rest(status)
    yield from _errors(status)


def _table(title: str, *columns: str) -> Table:
    """Begin a section; the first two columns are as wide in all of them."""
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    table.add_column(title, width=_NAME_WIDTH, no_wrap=True, overflow="ellipsis")
    table.add_column("", width=_STATE_WIDTH, no_wrap=True)
    for column in columns:
        table.add_column(column, justify="right", no_wrap=True)
    return table


def _why(reason: str) -> RenderableType:
    return Padding(Text(reason, style=_SOSO), (0, 0, 0, 4))


def _services(status: Status, *, is_low: bool) -> Iterator[RenderableType]:
    table = _table("Services", "Up", "Memory", "Restarts")
    shown = [one for one in status.services if not is_low or _HEALTH.get(one.health) != _GOOD]
    for one in shown:
        table.add_row(*_service(one, status.at))
    yield table
    if len(shown) < len(status.services):
        yield Text(f"{len(status.services) - len(shown)} that are well", style=_DIM)
    for one in status.services:
        if one.reason is not None and one.health is not Health.READY:
            yield _why(f"{one.label}: {one.reason}")
    yield from _unknown(status, Part.SERVICES)
    yield from _unknown(status, Part.METRICS)
    yield Text()


def _service(one: Service, now: float) -> Iterator[RenderableType]:
    yield one.label
    yield Text(one.health, style=_HEALTH.get(one.health, _BAD))
    yield age(now - one.since) if one.since is not None and one.pid is not None else "-"
    yield size(one.memory)
    yield "-" if one.restarts is None else Text(str(one.restarts), style=_SOSO if one.restarts else "")


def _origins(status: Status) -> Iterator[RenderableType]:
    table = _table("Origins", "Echo", "Circuit", "Associations", "Waiting")
    for one in status.origins:
        table.add_row(*_origin(one))
    yield table
    for one in status.origins:
        if one.reason is not None:
            yield _why(f"{one.name}: {one.reason}")
    yield from _unknown(status, Part.ASSOCIATIONS)
    yield Text()


def _origin(one: Origin) -> Iterator[RenderableType]:
    yield one.name
    yield Text(one.answer, style=_ANSWER.get(one.answer, _BAD))
    yield "-" if one.latency_ms is None else f"{one.latency_ms:.1f} ms"
    yield _CIRCUIT[one.is_left_alone]
    used = one.associations
    open_now = "-" if one.open_associations is None else one.open_associations
    yield "-" if used is None else f"{open_now} of {used.allowed}"
    yield "-" if used is None else Text(str(used.waiting), style=_SOSO if used.waiting else "")


def _queues(status: Status) -> Iterator[RenderableType]:
    table = _table("Queues", "Waiting", "In work", "Oldest", "Redelivered")
    filled = [one for one in status.queues if one.length]
    for one in filled:
        oldest = "-" if one.oldest is None else age(status.at - one.oldest)
        again = Text(str(one.redelivered), style=_SOSO if one.redelivered else "")
        taken = "" if one.has_takers else Text("not taken", style=_BAD)
        table.add_row(queue_title(one), taken, str(one.waiting), str(one.in_work), oldest, again)
    if filled:
        yield table
    elif Part.QUEUES not in status.unknown:
        yield Text.assemble(("Queues", "bold"), "  all are empty")
    else:
        yield Text.assemble(("Queues", "bold"), "  -")
    yield from _unknown(status, Part.QUEUES)
    yield Text()


def _rest(status: Status) -> Iterator[RenderableType]:
    cache, storage = status.cache, status.storage
    studies = "-" if cache.studies is None else f"{cache.studies}{'+' if cache.is_minimum else ''}"
    yield _line("DIMSE clients", "-" if status.clients is None else counted(status.clients, "association"))
    yield _line("Cache", f"{size(cache.bytes)} of {size(cache.max_bytes)}, {studies} studies")
    yield from _unknown(status, Part.CACHE)
    of = f" of {size(storage.limit)}" if storage is not None and storage.limit is not None else ""
    yield _line("Streams", f"{size(None if storage is None else storage.used)}{of}")
    yield from _unknown(status, Part.STORAGE)
    letters = sum(status.dead_letters.values())
    told = "-" if Part.DEAD_LETTERS in status.unknown else str(letters)
    yield _line("Dead letters", told, style=_BAD if letters else "")
    yield from _unknown(status, Part.DEAD_LETTERS)
    yield Text()


def _line(title: str, text: str, style: str = "") -> Text:
    return Text.assemble((f"{title:<{_NAME_WIDTH}}  ", "bold"), (text, style))


def _errors(status: Status) -> Iterator[RenderableType]:
    if not status.errors:
        yield Text.assemble(("Last errors", "bold"), "  -" if status.errors is None else "  none")
    else:
        yield Text("Last errors", style="bold")
    for one in status.errors or ():
        ago = f"{age(status.at - one.time)} ago"
        yield Text(f"{ago:>9}  {one.label:<11}  {one.text}", no_wrap=True, overflow="ellipsis")
    yield from _unknown(status, Part.ERRORS)


def _unknown(status: Status, part: Part) -> Iterator[RenderableType]:
    if part in status.unknown:
        yield _why(f"not known: {status.unknown[part]}")
