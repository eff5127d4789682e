"""How the commands write: what they found to standard output, progress to standard error."""

import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final, overload

import orjson
from rich.console import Console
from rich.table import Table
from rich.tree import Tree

from isthmus.common.dicom.json_model import DicomJson

progress_console = Console(stderr=True)
_WIDE: Final = 1000
"""Columns, where there is no terminal that has a width."""


def write_json(value: object) -> None:
    """Write a value as indented JSON, for scripts."""
    sys.stdout.write(orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE).decode())


def write_line(text: str) -> None:
    """Write a line of the result."""
    sys.stdout.write(f"{text}\n")


def write_error(text: str) -> None:
    """Write what went wrong."""
    sys.stderr.write(f"{text}\n")


def new_table(*columns: str) -> Table:
    """Begin a table with these headings."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def write_shown(shown: Table | Tree) -> None:
    """Write a table or tree: as wide as the terminal, or else as wide as it is."""
    is_terminal = sys.stdout.isatty()
    console = Console(width=None if is_terminal else _WIDE)
    console.print(shown, markup=False, soft_wrap=not is_terminal)


@overload
def written_time(at: float) -> str: ...


@overload
def written_time(at: float | None) -> str | None: ...


def written_time(at: float | None) -> str | None:
    """Write a time, in seconds since 1970, as RFC 3339 does, in UTC and whole seconds; None stays None."""
    if at is None:
        return None
    return datetime.fromtimestamp(at, UTC).replace(microsecond=0, tzinfo=None).isoformat() + "Z"


def values(ds: DicomJson, tag: str) -> Sequence[str]:
    """Give the values of an element as texts; of a name, the first representation that there is."""
    found = ds[tag].get("Value") if tag in ds else None
    return [_text(value) for value in found] if isinstance(found, list) else []


def _text(value: object) -> str:
    if isinstance(value, dict):
        return str(next(iter(value.values()), "")) if _is_name(value) else "..."
    return "" if value is None else str(value)


def _is_name(value: dict[str, object]) -> bool:
    """Whether a value in DICOM JSON is a person's name (PS3.18 F.2.2)."""
    return value.keys() <= {"Alphabetic", "Ideographic", "Phonetic"}
