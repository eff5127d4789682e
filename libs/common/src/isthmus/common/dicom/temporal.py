"""Dates, times and ages as they stand in attributes and queries (PS3.5 6.2: DA, TM, DT, AS)."""

import re
from calendar import monthrange
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

# All digits are ASCII: \d would take those of every script.
_DATE: Final = re.compile(r"([0-9]{4})(\.?)([0-9]{2})\2([0-9]{2})")
_TIME: Final = re.compile(r"([0-9]{2})(?::?([0-9]{2})(?::?([0-9]{2})(?:\.([0-9]{1,6}))?)?)?")
_OFFSET: Final = r"(?:\+(?:0[0-9]|1[0-3])[0-5][0-9]|\+1400|-(?:0[0-9]|1[01])[0-5][0-9]|-1200)"
_DATETIME: Final = re.compile(
    r"([0-9]{4})(?:([0-9]{2})(?:([0-9]{2})(?:([0-9]{2})(?:([0-9]{2})"
    r"(?:([0-9]{2})(?:\.([0-9]{1,6}))?)?)?)?)?)?"
    rf"({_OFFSET})?"
)
_AGE: Final = re.compile(r"([0-9]{1,3})([DWMY]?)")
_IN_DAYS: Final = {"D": 1, "W": 7}
_DAYS: Final = {**_IN_DAYS, "M": 365.25 / 12, "Y": 365.25}
_PADDING: Final = " \0"


@dataclass(frozen=True, slots=True)
class Span:
    """What a value of limited precision covers: everything from `first` to `last`, both included.

    The bounds are digits, of the same length for the same VR, so that they compare as text.
    """

    first: str
    last: str
    offset: timedelta | None = None
    """The offset from UTC that a DT value names; its bounds are local time."""

    def begins_after(self, other: "Span") -> bool:
        """Tell whether all of it is later than all of the other.

        Offsets from UTC are taken into account (PS3.4 C.2.2.2.5.3) where both have one; otherwise both are
        taken to be in the same time zone, which nothing in them contradicts.
        """
        if self.offset is None or other.offset is None:
            return self.first > other.last
        return _to_utc(self.first, self.offset) > _to_utc(other.last, other.offset)


def _to_utc(moment: str, offset: timedelta) -> datetime:
    year, *others = int(moment[:4]), *(int(moment[at : at + 2]) for at in range(4, 14, 2))
    month, day, hour, minute, second = others
    # A leap second is taken for the one before it: datetime has none.
    local = datetime(year, month, day, hour, minute, min(second, 59), int(moment[14:]))
    try:
        return local - offset
    except OverflowError:
        return datetime.min if offset > timedelta(0) else datetime.max


def parse_date(text: str) -> Span | None:
    """Read a DA value: `YYYYMMDD`, or `YYYY.MM.DD` as older versions wrote; None if it is no date."""
    found = _DATE.fullmatch(text.strip(_PADDING))
    if not found:
        return None
    year, _, month, day = found.groups()
    try:
        date(int(year), int(month), int(day))
    except ValueError:
        return None
    return Span(year + month + day, year + month + day)


def parse_time(text: str) -> Span | None:
    """Read a TM value: `HH[MM[SS[.F]]]`, with colons as older versions wrote; None if it is no time."""
    found = _TIME.fullmatch(text.strip(_PADDING))
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
    """Read a DT value: `YYYY[MM[DD[HH[MM[SS[.F]]]]]][&ZZXX]`; None if there is no such moment."""
    found = _DATETIME.fullmatch(text.strip(_PADDING))
    if not found:
        return None
    year, month, day, hour, minute, second, fraction, offset = found.groups()
    if not 1 <= int(month or 1) <= 12 or not int(year):
        return None
    last_day = monthrange(int(year), int(month or 12))[1]
    time = parse_time((hour or "00") + (minute or "00") + (second or "00"))
    if not 1 <= int(day or 1) <= last_day or time is None:
        return None
    first = (month or "01") + (day or "01") + (hour or "00") + (minute or "00") + (second or "00")
    last = (month or "12") + (day or str(last_day)) + (hour or "23") + (minute or "59") + (second or "60")
    return Span(
        year + first + (fraction or "").ljust(6, "0"),
        year + last + (fraction or "").ljust(6, "9"),
        _parse_offset(offset) if offset else None,
    )


def _parse_offset(text: str) -> timedelta:
    length = timedelta(hours=int(text[1:3]), minutes=int(text[3:]))
    return -length if text[0] == "-" else length


@dataclass(frozen=True, slots=True)
class Age:
    """An age as AS has it: complete days, weeks, months or years."""

    number: int
    unit: str
    """D, W, M or Y."""

    def reaches(self, other: "Age") -> bool:
        """Tell whether it is the other age or more; different units compare by their average lengths."""
        return self.days(0) >= other.days(0)

    def exceeds(self, other: "Age") -> bool:
        """Tell whether it is more than the other age, which lasts until the next of its unit is complete."""
        return self.days(0) >= other.days(1)

    def days(self, more: int) -> float:
        """Give the days that so many more of its units are, on average."""
        return (self.number + more) * _DAYS[self.unit]


@dataclass(frozen=True, slots=True)
class Lifetime:
    """The age that a birth date and the date of a study give, exact in every unit."""

    born: date
    seen: date

    def reaches(self, other: Age) -> bool:
        """Tell whether it is the age or more."""
        return self.complete(other.unit) >= other.number

    def exceeds(self, other: Age) -> bool:
        """Tell whether it is more than the age."""
        return self.complete(other.unit) > other.number

    def complete(self, unit: str) -> int:
        """Count the complete days, weeks, months or years, the latter two by the calendar."""
        days = (self.seen - self.born).days
        if unit in _IN_DAYS:
            return days // _IN_DAYS[unit]
        months = (self.seen.year - self.born.year) * 12 + self.seen.month - self.born.month
        months -= self.seen.day < self.born.day
        return months // 12 if unit == "Y" else months


def parse_age(text: str) -> Age | None:
    """Read an AS value (`nnnD`, `W`, `M` or `Y`; bare digits are years); None if it is no age."""
    found = _AGE.fullmatch(text.strip(_PADDING))
    return Age(int(found.group(1)), found.group(2) or "Y") if found else None


def age_between(birth_date: str, study_date: str) -> Lifetime | None:
    """Give the age at a study; None if a DA value is no date, or the study was before the birth."""
    born, seen = parse_date(birth_date), parse_date(study_date)
    if born is None or seen is None or seen.first < born.first:
        return None
    return Lifetime(_as_date(born), _as_date(seen))


def _as_date(span: Span) -> date:
    return date(int(span.first[:4]), int(span.first[4:6]), int(span.first[6:]))


def split_range(text: str, vr: str) -> tuple[str, str] | None:
    """Split `a-b`, `a-` or `-b` (PS3.4 C.2.2.2.5); None for a single value.

    In a DT, a hyphen before four digits at the end is an offset from UTC where there is such an offset (PS3.5
    6.2); where two hyphens could be the one of the range, it is the first.
    """
    if "-" not in text:
        return None
    if vr == "DT":
        if _DATETIME.fullmatch(text.strip()):
            return None
        for hyphen in (found.start() for found in re.finditer("-", text)):
            first, last = text[:hyphen].strip(), text[hyphen + 1 :].strip()
            if all(not end or _DATETIME.fullmatch(end) for end in (first, last)):
                return first, last
    first, _, last = text.partition("-")
    return first.strip(), last.strip()
