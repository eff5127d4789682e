"""Attribute matching over DICOM JSON (PS3.4 C.2.2.2): what an origin should have matched, and often did not.

Lenient where an origin may have matched what it does not give back: an attribute that is absent from a match
keeps it, and so does one whose value is elsewhere (bulk data). One that is there and empty, or holds another
value, does not.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Final, cast

from isthmus.common.dicom.attributes import AttributePath, vr_of
from isthmus.common.dicom.json_model import DicomJson, JsonElement
from isthmus.common.dicom.numeric import NUMBER_VRS, parse_number, read_number
from isthmus.common.dicom.person_names import fuzzy_name_test, join_groups, literal_name_test
from isthmus.common.dicom.temporal import (
    Age,
    Lifetime,
    Span,
    age_between,
    parse_age,
    parse_date,
    parse_datetime,
    parse_time,
    split_range,
)
from isthmus.common.dicom.wildcards import compile_wildcards, is_universal

WILDCARD_VRS: Final = frozenset({"AE", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT"})
"""Value representations in which `*` and `?` are wildcards (PS3.4 C.2.2.2.4)."""
_AGE: Final = "00101010"
_BIRTH_DATE: Final = "00100030"
_STUDY_DATE: Final = "00080020"
_PADDING: Final = " \0"
_PARSERS: Final[Mapping[str, Callable[[str], Span | None]]] = {
    "DA": parse_date,
    "TM": parse_time,
    "DT": parse_datetime,
}

Test = Callable[[str], bool]


class Wanted(Enum):
    """What an attribute must hold of a key's values."""

    ANY = "any"
    """One of them; if there are none, or one is empty, all is well (universal matching)."""
    EVERY = "every"
    """Each of them, in any order, beside others (Multiple Value Matching, PS3.4 C.2.2.2.8)."""
    NOTHING = "nothing"
    """No value: it is absent or empty (Empty Value Matching, PS3.4 C.2.2.2.7); the key has none either."""


@dataclass(frozen=True, slots=True)
class MatchingKey:
    """An attribute, and what it must hold."""

    path: AttributePath
    values: tuple[str, ...]
    wanted: Wanted = Wanted.ANY


@dataclass(frozen=True, slots=True)
class _Keys:
    """What a data set, or one item of a sequence, must hold."""

    tests: list[tuple[str, Test]] = field(default_factory=list)
    empty: list[str] = field(default_factory=list)
    ages: list[Callable[[Age | Lifetime], bool]] = field(default_factory=list)
    items: dict[str, "_Keys"] = field(default_factory=dict)

    def add(self, key: MatchingKey, path: AttributePath, *, fuzzy: bool) -> None:
        tag, *below = path
        if below:
            self.items.setdefault(tag, _Keys()).add(key, tuple(below), fuzzy=fuzzy)
        elif key.wanted is Wanted.NOTHING:
            self.empty.append(tag)
        elif key.path == (_AGE,):
            tests = [_age_test(value) for value in key.values]
            self.ages.append(lambda age: any(test(age) for test in tests))
        elif key.wanted is Wanted.EVERY:
            self.tests.extend((tag, test) for test in _tests_of(key, fuzzy=fuzzy))
        else:
            self.tests.append((tag, _any_of(_tests_of(key, fuzzy=fuzzy))))

    def hold(self, match: DicomJson) -> bool:
        return (
            all(_value_holds(match, tag, test) for tag, test in self.tests)
            and not any(_has_value(match, tag) for tag in self.empty)
            and all(_age_holds(match, test) for test in self.ages)
            and all(_item_holds(match, tag, keys) for tag, keys in self.items.items())
        )

    @property
    def hold_where_nothing_is(self) -> bool:
        """Whether a sequence without items is as good as one with an empty item: all wanted is no value."""
        return not self.tests and all(keys.hold_where_nothing_is for keys in self.items.values())


class Matcher:
    """Tells whether matches do match."""

    def __init__(self, keys: Sequence[MatchingKey], *, fuzzy: bool = False) -> None:
        self._keys = _Keys()
        for key in keys:
            if not _is_universal(key):
                self._keys.add(key, key.path, fuzzy=fuzzy)

    def matches(self, match: DicomJson) -> bool:
        """Tell whether all keys hold; a stored value that is none of its VR never matches."""
        return self._keys.hold(match)


def _is_universal(key: MatchingKey) -> bool:
    """Tell whether a key matches everything; `*` is taken so in any VR, and so is a range without ends."""
    if key.wanted is not Wanted.ANY:
        return False
    ranged = vr_of(key.path[-1]) in (*_PARSERS, "AS")
    return not key.values or any(is_universal(one) or (ranged and one.strip() == "-") for one in key.values)


def _value_holds(match: DicomJson, tag: str, test: Test) -> bool:
    element = match.get(tag)
    return element is None or _is_elsewhere(element) or any(test(value) for value in _texts(element))


def _has_value(match: DicomJson, tag: str) -> bool:
    element = match.get(tag)
    if element is None:
        return False
    return _is_elsewhere(element) or bool(_texts(element))


def _item_holds(match: DicomJson, tag: str, keys: _Keys) -> bool:
    """Tell whether one item holds all keys of the sequence (PS3.4 C.2.2.2.6)."""
    element = match.get(tag)
    if element is None:
        return True
    items = [item for item in element.get("Value", ()) if isinstance(item, Mapping)]
    if not items:
        return keys.hold_where_nothing_is
    # The item of a sequence is a data set like any other; JsonValue cannot say so without recursion.
    return any(keys.hold(cast(DicomJson, item)) for item in items)


def _age_holds(match: DicomJson, test: Callable[[Age | Lifetime], bool]) -> bool:
    """An age range is never sent to an origin: leniency would let everything through, so it is derived."""
    stored = [age for text in _texts(match.get(_AGE)) if (age := parse_age(text)) is not None]
    if stored:
        return any(test(age) for age in stored)
    births, studies = _texts(match.get(_BIRTH_DATE)), _texts(match.get(_STUDY_DATE))
    derived = age_between(births[0], studies[0]) if births and studies else None
    return derived is not None and test(derived)


def _is_elsewhere(element: JsonElement) -> bool:
    return "BulkDataURI" in element or "InlineBinary" in element


def _texts(element: JsonElement | None) -> list[str]:
    """Give the values of an element that are not empty."""
    values = element.get("Value", ()) if element is not None else ()
    texts = (
        join_groups(value) if isinstance(value, Mapping) else "" if value is None else str(value)
        for value in values
    )
    return [text for text in texts if text]


def _tests_of(key: MatchingKey, *, fuzzy: bool) -> list[Test]:
    vr = vr_of(key.path[-1])
    return [_single_test(value, vr, fuzzy=fuzzy) for value in key.values]


def _any_of(tests: Sequence[Test]) -> Test:
    return lambda stored: any(test(stored) for test in tests)


def _single_test(wanted: str, vr: str, *, fuzzy: bool) -> Test:
    if vr in _PARSERS:
        return _temporal_test(wanted, vr)
    if vr == "AS":
        return _stored_age_test(wanted)
    if vr in NUMBER_VRS:
        return _number_test(wanted, vr)
    if vr == "PN":
        return fuzzy_name_test(wanted) if fuzzy else literal_name_test(wanted)
    return _text_test(wanted.strip(_PADDING), vr)


def _text_test(wanted: str, vr: str) -> Test:
    if vr in WILDCARD_VRS:
        pattern = compile_wildcards(wanted)
        return lambda stored: pattern.fullmatch(stored.strip(_PADDING)) is not None
    if vr == "AT":
        return lambda stored: stored.upper() == wanted.upper()
    return lambda stored: stored.strip(_PADDING) == wanted


def _temporal_test(wanted: str, vr: str) -> Test:
    parse = _PARSERS[vr]
    ends = split_range(wanted, vr) or (wanted, wanted)
    first, last = (parse(end) for end in ends)
    if any(end and span is None for end, span in zip(ends, (first, last), strict=True)):
        return _never

    def test(stored: str) -> bool:
        value = parse(stored)
        if value is None:
            return False
        return not (first is not None and first.begins_after(value)) and not (
            last is not None and value.begins_after(last)
        )

    return test


def _age_test(wanted: str) -> Callable[[Age | Lifetime], bool]:
    ends = split_range(wanted, "AS") or (wanted, wanted)
    first, last = (parse_age(end) for end in ends)
    if any(end and age is None for end, age in zip(ends, (first, last), strict=True)):
        return _never
    return lambda age: (first is None or age.reaches(first)) and (last is None or not age.exceeds(last))


def _stored_age_test(wanted: str) -> Test:
    test = _age_test(wanted)

    def stored_test(stored: str) -> bool:
        age = parse_age(stored)
        return age is not None and test(age)

    return stored_test


def _number_test(wanted: str, vr: str) -> Test:
    number = parse_number(wanted, vr)
    return lambda stored: number is not None and read_number(stored, vr) == number


def _never(_: object) -> bool:
    """A value that is none of its VR finds nothing, rather than everything."""
    return False
