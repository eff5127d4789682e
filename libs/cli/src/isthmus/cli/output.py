"""How the commands write: what they found to standard output, progress to standard error."""

import sys
from collections.abc import Sequence

import orjson
from rich.console import Console

from isthmus.common.dicom.json_model import DicomJson

progress_console = Console(stderr=True)


def write_json(value: object) -> None:
    """Write a value as indented JSON, for scripts."""
    sys.stdout.write(orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE).decode())


def write_line(text: str) -> None:
    """Write a line of the result."""
    sys.stdout.write(f"{text}\n")


def write_error(text: str) -> None:
    """Write what went wrong."""
    sys.stderr.write(f"{text}\n")


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
