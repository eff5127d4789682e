"""Matching in a modality worklist (PS3.4 K.6.1.2.2): as anywhere, but for when a step is scheduled to start.

Where its date and its time are both asked for by ranges, they are one range: from the first time on the first
date until the last time on the last date. `1800-0600` over two dates is a night; what is on a day between
matches at any time of it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Self, cast

from isthmus.common.dicom.attributes import AttributePath, tag_of
from isthmus.common.dicom.json_values import DicomJson, first_text
from isthmus.common.dicom.matching import Matcher, MatchingKey, Wanted
from isthmus.common.dicom.temporal import Span, parse_date, parse_time, split_range

STEPS: Final = tag_of("ScheduledProcedureStepSequence")
START_DATE: Final[AttributePath] = (STEPS, tag_of("ScheduledProcedureStepStartDate"))
START_TIME: Final[AttributePath] = (STEPS, tag_of("ScheduledProcedureStepStartTime"))
_ALL_DAY: Final = Span("0" * 12, "9" * 12)


class WorklistMatcher:
    """Tells whether scheduled procedure steps do match; as lenient as `Matcher`."""

    def __init__(self, keys: Sequence[MatchingKey]) -> None:
        """Take the keys of a query of a worklist."""
        self._period = _Period.of(keys)
        if self._period is not None:
            keys = [key for key in keys if key.path not in (START_DATE, START_TIME)]
        self._matcher = Matcher(keys)

    def matches(self, match: DicomJson) -> bool:
        """Tell whether all keys hold."""
        return self._matcher.matches(match) and (self._period is None or self._period.holds(match))


def range_of(keys: Sequence[MatchingKey], path: AttributePath) -> tuple[str, str] | None:
    """Give the ends of the range that an attribute is to lie in, an open one empty; None where there is none.

    Args:
        keys: of a query.
        path: of a date or a time.
    """
    for key in keys:
        if key.path == path and key.wanted is Wanted.ANY and len(key.values) == 1:
            return split_range(key.values[0], "DA")
    return None


@dataclass(frozen=True, slots=True)
class _Period:
    """From when until when; digits of a date and of a time, an end that is open empty."""

    first: str
    last: str

    @classmethod
    def of(cls, keys: Sequence[MatchingKey]) -> Self | None:
        """Give the period that keys ask for; None where they do not ask for one, or not for one that is."""
        dates, times = range_of(keys, START_DATE), range_of(keys, START_TIME)
        if dates is None or times is None:
            return None
        days = [parse_date(end) for end in dates]
        hours = [parse_time(end) if end else _ALL_DAY for end in times]
        if any(end and day is None for end, day in zip(dates, days, strict=True)) or None in hours:
            return None
        (begin, end), (early, late) = days, cast("list[Span]", hours)
        return cls(begin.first + early.first if begin else "", end.last + late.last if end else "")

    def holds(self, match: DicomJson) -> bool:
        element = match.get(STEPS)
        if element is None:
            return True
        steps = [step for step in element.get("Value", ()) if isinstance(step, Mapping)]
        # The item of a sequence is a data set like any other; JsonValue cannot say so without recursion.
        return any(self._has(cast(DicomJson, step)) for step in steps)

    def _has(self, step: DicomJson) -> bool:
        if START_DATE[-1] not in step:
            return True
        day = parse_date(first_text(step, START_DATE[-1]))
        if day is None:
            return False
        # Of a step without a time nobody knows when it is on its day.
        hours = parse_time(first_text(step, START_TIME[-1])) or _ALL_DAY
        is_late = bool(self.last) and day.first + hours.first > self.last
        return not is_late and self.first <= day.last + hours.last
