"""Attribute matching over DICOM JSON (PS3.4 C.2.2.2): what an origin should have matched, and often did not.

Lenient where an origin may have matched what it does not give back: an attribute that is absent from a match
keeps it. One that is there and empty, or holds another value, does not.
"""

import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

from isthmus.common.dicom.json_model import DicomJson

from isthmus.common.dicom.attributes import AttributePath, vr_of
from isthmus.common.dicom.temporal import (
    Age,
    Span,
    age_between,
    parse_age,
    parse_date,
    parse_datetime,
    parse_time,
    split_range,
)

WILDCARD_VRS: Final = frozenset({"AE", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT"})
"""Value representations in which `*` and `?` are wildcards (PS3.4 C.2.2.2.4)."""
_AGE: Final = "00101010"
_BIRTH_DATE: Final = "00100030"
_STUDY_DATE: Final = "00080020"

Test = Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class MatchingKey:
    """An attribute, and the values of which it must have one."""

    path: AttributePath
    values: tuple[str, ...]
    """None, or an empty one, means universal matching."""


class Matcher:
    """Tells whether matches do match."""

    def __init__(self, keys: Sequence[MatchingKey], *, fuzzy: bool = False) -> None:
        self._tests = [(key.path, _test_of(key, fuzzy=fuzzy)) for key in keys if any(key.values)]

    def matches(self, match: DicomJson) -> bool:
        """Tell whether all keys hold; a stored value that is none of its VR never matches."""
        return all(_holds(match, path, test) for path, test in self._tests)


def _holds(match: DicomJson, path: AttributePath, test: Test) -> bool:
    if path == (_AGE,):
        return _age_holds(match, test)
    values = list(_values(match, path))
    if not values:
        return True
    return any(value is not None and test(value) for value in values)


def _age_holds(match: DicomJson, test: Test) -> bool:
    """An age range is never sent to an origin: leniency would let everything through, so it is derived."""
    ages = [value for value in _values(match, (_AGE,)) if value]
    if ages:
        return any(test(age) for age in ages)
    born, seen = next(_values(match, (_BIRTH_DATE,)), None), next(_values(match, (_STUDY_DATE,)), None)
    return born is not None and seen is not None and test(f"{born}/{seen}")


def _values(match: DicomJson, path: AttributePath) -> Iterator[str | None]:
    """Give the values at a path, in every item: None for an empty one, nothing where it is absent."""
    element = match.get(path[0])
    if element is None:
        return
    values = element.get("Value") or [None]
    for value in values:
        if len(path) > 1:
            if isinstance(value, Mapping):
                yield from _values(value, path[1:])  # type: ignore[arg-type]  # an item of a sequence
        elif isinstance(value, Mapping):
            yield from (str(group) for group in value.values() if group)
        else:
            yield None if value in (None, "") else str(value)


def _test_of(key: MatchingKey, *, fuzzy: bool) -> Test:
    vr = vr_of(key.path[-1])
    tests = [_single_test(value, vr, fuzzy=fuzzy) for value in key.values if value]
    return lambda stored: any(test(stored) for test in tests)


def _single_test(wanted: str, vr: str, *, fuzzy: bool) -> Test:
    if vr in ("DA", "TM", "DT"):
        return _temporal_test(wanted, vr)
    if vr == "AS":
        return _age_test(wanted)
    if vr in ("IS", "DS"):
        return _number_test(wanted)
    if vr == "PN":
        return _fuzzy_name_test(wanted) if fuzzy else _name_test(wanted)
    if vr in WILDCARD_VRS:
        pattern = _wildcards(wanted.strip())
        return lambda stored: pattern.fullmatch(stored.strip()) is not None
    return lambda stored: stored.strip("\0 ") == wanted.strip()


_PARSERS: Final[Mapping[str, Callable[[str], Span | None]]] = {
    "DA": parse_date,
    "TM": parse_time,
    "DT": parse_datetime,
}


def _temporal_test(wanted: str, vr: str) -> Test:
    parse = _PARSERS[vr]
    ends = split_range(wanted, vr) or (wanted, wanted)
    first, last = (parse(end) if end else None for end in ends)

    def test(stored: str) -> bool:
        value = parse(stored)
        if value is None:
            return False
        return (first is None or value.last >= first.first) and (last is None or value.first <= last.last)

    return test


def _age_test(wanted: str) -> Test:
    ends = split_range(wanted, "AS") or (wanted, wanted)
    first, last = (parse_age(end) if end else None for end in ends)

    def test(stored: str) -> bool:
        value = _age_of(stored)
        if value is None:
            return False
        return (first is None or value.least >= first.least) and (last is None or value.least < last.below)

    return test


def _age_of(stored: str) -> Age | None:
    born, slash, seen = stored.partition("/")
    return age_between(born, seen) if slash else parse_age(stored)


def _number_test(wanted: str) -> Test:
    number = _number(wanted)
    return lambda stored: number is not None and _number(stored) == number


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _name_test(wanted: str) -> Test:
    """Match a person name without regard to case and to delimiters at the end (PS3.5 6.2.1)."""
    pattern = _wildcards(_plain_name(wanted))
    return lambda stored: pattern.fullmatch(_plain_name(stored)) is not None


def _plain_name(name: str) -> str:
    return name.strip().rstrip("^= ").casefold()


def _fuzzy_name_test(wanted: str) -> Test:
    """Match the words of a name as beginnings of words, in any order, without case and accents."""
    beginnings = _words(wanted.replace("*", " ").replace("?", " "))

    def test(stored: str) -> bool:
        words = _words(stored)
        return all(any(word.startswith(beginning) for word in words) for beginning in beginnings)

    return test


def _words(name: str) -> list[str]:
    decomposed = unicodedata.normalize("NFKD", name.casefold())
    plain = "".join(character for character in decomposed if not unicodedata.combining(character))
    return re.split(r"[\W_]+", plain.strip("^= ")) if plain.strip("^= ") else []


@cache
def _wildcards(text: str) -> re.Pattern[str]:
    pattern = "".join(".*" if part == "*" else "." if part == "?" else re.escape(part) for part in text)
    return re.compile(pattern, re.DOTALL)
