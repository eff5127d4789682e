"""Values as people write them."""

import re
from collections.abc import Mapping
from typing import Final

from isthmus.common.dicom.json_model import JsonValue

_DATE: Final = re.compile(r"([0-9]{4})([0-9]{2})([0-9]{2})")
_TIME: Final = re.compile(r"([0-9]{2})([0-9]{2})([0-9]{2})?(?:\.[0-9]+)?")
_TIMESTAMP: Final = re.compile(r"([0-9]{8})([0-9]{4,6}(?:\.[0-9]+)?)?([+-][0-9]{4})?")
_UNPRINTABLE: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


def date_of(text: str) -> str:
    """Write a DA value with hyphens; whatever is none stays as it is."""
    found = _DATE.fullmatch(text)
    return "-".join(found.groups()) if found else text


def time_of(text: str) -> str:
    """Write a TM value with colons, without the parts of a second."""
    found = _TIME.fullmatch(text)
    return ":".join(filter(None, found.groups())) if found else text


def timestamp_of(text: str) -> str:
    """Write a DT value, with its offset from UTC if it has one."""
    found = _TIMESTAMP.fullmatch(text)
    if not found:
        return text
    date, time, offset = found.groups()
    return " ".join(filter(None, (date_of(date), time and time_of(time), offset and f"UTC{offset}")))


def number_of(value: JsonValue) -> str:
    """Write a number, without the zero behind the point that JSON gave it."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return "" if value is None else str(value)


def name_of(groups: Mapping[str, object]) -> str:
    """Write a person name: family, given middle, prefix and suffix; its other scripts in brackets."""
    written = [_group(str(groups[key])) for key in ("Alphabetic", "Ideographic") if groups.get(key)]
    return f"{written[0]} ({written[1]})" if len(written) == 2 else "".join(written)


def _group(text: str) -> str:
    family, given, middle, prefix, suffix, *_ = (*(part.strip() for part in text.split("^")), *[""] * 5)
    rest = " ".join(filter(None, (prefix, given, middle, suffix)))
    return ", ".join(filter(None, (family, rest)))


def printable(text: str) -> str:
    """Take out what no document may hold; line breaks become those of Unix."""
    return _UNPRINTABLE.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))
