"""Dates, times and ages as they stand in attributes and queries (PS3.5 6.2: DA, TM, DT, AS)."""

import re
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

_TIME: Final = re.compile(r"(\d{2})(?::?(\d{2})(?::?(\d{2})(?:\.(\d{1,6}))?)?)?")
_DATETIME: Final = re.compile(
    r"(\d{4})(?:(\d{2})(?:(\d{2})(?:(\d{2})(?:(\d{2})(?:(\d{2})(?:\.(\d{1,6}))?)?)?)?)?)?([+-]\d{4})?"
)
_AGE: Final = re.compile(r"(\d{1,3})([DWMY]?)")
_DAYS: Final = {"D": 1.0, "W": 7.0, "M": 365.25 / 12, "Y": 365.25, "": 365.25}


@dataclass(frozen=True, slots=True)
class Span:
    """What a value of limited precision covers: everything from `first` to `last`, both included.

    The bounds are digits, of the same length for the same VR, so that they compare as text.
    """

    first: str
    last: str


def parse_date(text: str) -> Span | None:
    """Read a DA value: `YYYYMMDD`, or `YYYY.MM.DD` as older versions wrote; None if it is no date."""
    digits = (
        text.strip().replace(".", "") if re.fullmatch(r"\d{4}\.\d{2}\.\d{2}", text.strip()) else text.strip()
    )
    if not re.fullmatch(r"\d{8}", digits):
        return None
    try:
        date(int(digits[:4]), int(digits[4:6]), int(digits[6:]))
    except ValueError:
        return None
    return Span(digits, digits)


def parse_time(text: str) -> Span | None:
    """Read a TM value: `HH[MM[SS[.F]]]`, with colons as older versions wrote; None if it is no time."""
    found = _TIME.fullmatch(text.strip())
    if not found:
        return None
    hour, minute, second, fraction = found.groups()
    if int(hour) > 23 or int(minute or 0) > 59 or int(second or 0) > 60:
        return None
    return Span(
        hour + (minute or "00") + (second or "00") + (fraction or "").ljust(6, "0"),
        hour + (minute or "59") + (second or "60") + (fraction or "").ljust(6, "9"),
    )


def parse_datetime(text: str) -> Span | None:
    """Read a DT value: `YYYY[MM[DD[HH[MM[SS[.F]]]]]]`, its offset from UTC ignored; None if it is none."""
    found = _DATETIME.fullmatch(text.strip())
    if not found:
        return None
    year, month, day, hour, minute, second, fraction, _ = found.groups()
    try:
        datetime(  # only to see whether there is such a time
            int(year),
            int(month or 1),
            int(day or 1),
            int(hour or 0),
            int(minute or 0),
            min(int(second or 0), 59),
        )
    except ValueError:
        return None
    if int(second or 0) > 60:
        return None
    shortest = (month or "01") + (day or "01") + (hour or "00") + (minute or "00") + (second or "00")
    longest = (month or "12") + (day or "31") + (hour or "23") + (minute or "59") + (second or "60")
    return Span(
        year + shortest + (fraction or "").ljust(6, "0"), year + longest + (fraction or "").ljust(6, "9")
    )


@dataclass(frozen=True, slots=True)
class Age:
    """An age in days: at least `least`, and less than `below`, where the next one of its unit begins."""

    least: float
    below: float


def parse_age(text: str) -> Age | None:
    """Read an AS value (`nnnD`, `W`, `M` or `Y`; bare digits are years); None if it is no age."""
    found = _AGE.fullmatch(text.strip())
    if not found:
        return None
    number, unit = int(found.group(1)), _DAYS[found.group(2)]
    return Age(number * unit, (number + 1) * unit)


def age_between(birth_date: str, study_date: str) -> Age | None:
    """Compute an age in complete years, or in days below one year; None if a DA value is no date."""
    born, seen = parse_date(birth_date), parse_date(study_date)
    if born is None or seen is None or seen.first < born.first:
        return None
    years = int(seen.first[:4]) - int(born.first[:4]) - (seen.first[4:] < born.first[4:])
    if years:
        return parse_age(f"{years}Y")
    return parse_age(f"{(_as_date(seen) - _as_date(born)).days}D")


def _as_date(span: Span) -> date:
    return date(int(span.first[:4]), int(span.first[4:6]), int(span.first[6:]))


def split_range(text: str, vr: str) -> tuple[str, str] | None:
    """Split `a-b`, `a-` or `-b` (PS3.4 C.2.2.2.5); None for a single value.

    In a DT, a hyphen before four digits at the end is an offset from UTC where there is such an offset (PS3.5
    6.2).
    """
    if "-" not in text:
        return None
    if vr == "DT":
        single = _DATETIME.fullmatch(text.strip())
        if single and "0000" <= (single.group(8) or "+0000")[1:] <= "1400":
            return None
        for hyphen in (found.start() for found in re.finditer("-", text)):
            first, last = text[:hyphen].strip(), text[hyphen + 1 :].strip()
            if all(not end or _DATETIME.fullmatch(end) for end in (first, last)):
                return first, last
    first, _, last = text.partition("-")
    return first.strip(), last.strip()
