"""Which studies a permit is for, by what is known of a study (`access.rules.studies`).

The attributes of a study tell most of it; which institution, and where the study does not say it, which
modality, its series tell. What nobody tells holds nothing.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Final, Self

from isthmus.common.auth import Permit
from isthmus.common.config.access import StudyFilter
from isthmus.common.dicom.attributes import AttributePath, tag_of, tags_of
from isthmus.common.dicom.json_model import DicomJson
from isthmus.common.dicom.json_values import first_text
from isthmus.common.dicom.levels import Level
from isthmus.common.dicom.matching import Matcher, MatchingKey, Wanted
from isthmus.common.dicom.search_attributes import UNIQUE_KEYS, uid_of
from isthmus.common.dicom.temporal import parse_date, split_range

_STUDY_DATE: Final = tag_of("StudyDate")
_ACCESSION_NUMBER: Final = tag_of("AccessionNumber")
_MODALITIES: Final = tag_of("ModalitiesInStudy")
_MODALITY: Final = tag_of("Modality")
_INSTITUTION: Final = tag_of("InstitutionName")
_PADDING: Final = " \0"
_WILDCARDS: Final = "*?\\"
_LONGEST_SH: Final = 16
OF_ALL_STUDIES: Final = frozenset(
    tags_of(
        (
            "NumberOfPatientRelatedStudies",
            "NumberOfPatientRelatedSeries",
            "NumberOfPatientRelatedInstances",
        )
    )
)
"""What an origin tells with a study of all that its patient has, those that somebody may not see as well."""
ASKED_OF_SERIES: Final[tuple[AttributePath, ...]] = tuple(
    (tag,) for tag in (UNIQUE_KEYS[Level.SERIES], _MODALITY, _INSTITUTION)
)
"""What the series of a study are asked for."""


@dataclass(frozen=True, slots=True)
class SeriesFacts:
    """What all series of a study tell together."""

    modalities: frozenset[str] = frozenset()
    institutions: frozenset[str] = frozenset()
    """In lower case."""

    @classmethod
    def of(cls, series: Iterable[DicomJson]) -> Self:
        """Read the matches of a search for the series of one study."""
        modalities: set[str] = set()
        institutions: set[str] = set()
        for match in series:
            modalities |= _texts(match, _MODALITY, str.upper)
            institutions |= _texts(match, _INSTITUTION, str.casefold)
        return cls(frozenset(modalities), frozenset(institutions))


@dataclass(frozen=True, slots=True)
class StudyFacts:
    """What a study itself tells; what it does not tell is empty."""

    study: str = ""
    """Study Instance UID."""
    date: str = ""
    """Eight digits."""
    accession_number: str = ""
    modalities: frozenset[str] = frozenset()
    institutions: frozenset[str] = frozenset()
    """In lower case."""

    @classmethod
    def of(cls, match: DicomJson) -> Self:
        """Read the match of a search for studies."""
        day = parse_date(first_text(match, _STUDY_DATE))
        number = first_text(match, _ACCESSION_NUMBER).strip(_PADDING)
        return cls(
            uid_of(match, Level.STUDY).strip(_PADDING),
            "" if day is None else day.first,
            # An origin may give back what it was asked for, in the place of what it has.
            "" if "*" in number or "?" in number else number,
            frozenset(_texts(match, _MODALITIES, str.upper)),
            frozenset(_texts(match, _INSTITUTION, str.casefold)),
        )


def is_seen(permit: Permit, study: StudyFacts, series: SeriesFacts | None = None) -> bool | None:
    """Tell whether a permit is for a study.

    Args:
        permit: what somebody may see of an origin.
        study: what the study tells.
        series: what its series tell, where they were asked.

    Returns:
        None where that depends on the series, and they were not asked.
    """
    if permit.study is not None and study.study != permit.study:
        return False
    if not permit.filters:
        return True
    verdicts = {_holds(one, study, series) for one in permit.filters}
    return True if True in verdicts else None if None in verdicts else False


def asked_of_studies(permit: Permit) -> tuple[AttributePath, ...]:
    """Give the attributes of studies by which a permit judges them."""
    if not permit.filters:
        return ()
    tags = [_STUDY_DATE, _ACCESSION_NUMBER, _MODALITIES]
    if any(one.institution for one in permit.filters):
        tags.append(_INSTITUTION)
    return tuple((tag,) for tag in tags)


def narrowing(permit: Permit) -> tuple[MatchingKey, ...]:
    """Give matching keys that every study has which a permit is for: others need not be sent.

    What only some of the filters name is no key, for a study may be seen by another one.
    """
    keys = []
    if permit.study is not None:
        keys.append(MatchingKey((UNIQUE_KEYS[Level.STUDY],), (permit.study,)))
    filters = permit.filters
    if filters and all(one.modality for one in filters):
        modalities = sorted(frozenset[str]().union(*(one.modality for one in filters)))
        keys.append(MatchingKey((_MODALITIES,), tuple(modalities)))
    prefixes = {prefix for one in filters for prefix in one.accession_prefix}
    if prefixes and all(one.accession_prefix for one in filters) and all(map(_can_be_key, prefixes)):
        keys.append(MatchingKey((_ACCESSION_NUMBER,), tuple(f"{prefix}*" for prefix in sorted(prefixes))))
    days = _days(filters)
    if days:
        keys.append(MatchingKey((_STUDY_DATE,), (days,)))
    return tuple(keys)


def with_narrowing(keys: Sequence[MatchingKey], permit: Permit) -> tuple[MatchingKey, ...]:
    """Add to the keys of a query of studies those that narrow it.

    Where it has one of the same attribute that one stays, but for the study of a link, which is the only one;
    of two ranges of dates, what they have in common.
    """
    added = {key.path: key for key in narrowing(permit)}
    kept = tuple(_in_common(key, added.pop(key.path, None)) for key in keys)
    return (*kept, *added.values())


def is_out_of_reach(keys: Sequence[MatchingKey], permit: Permit) -> bool:
    """Tell whether a query is for other studies than the one that a permit is for."""
    if permit.study is None:
        return False
    tag = UNIQUE_KEYS[Level.STUDY]
    of_studies = [key for key in keys if key.path == (tag,)]
    return not Matcher(of_studies).matches({tag: {"vr": "UI", "Value": [permit.study]}})


def _in_common(key: MatchingKey, other: MatchingKey | None) -> MatchingKey:
    if other is not None and key.path == (UNIQUE_KEYS[Level.STUDY],):
        return other
    if other is None or key.path != (_STUDY_DATE,) or len(key.values) != 1 or key.wanted is not Wanted.ANY:
        return key
    ends = split_range(key.values[0], "DA")
    days = [parse_date(end) for end in ends or ()]
    if ends is None or any(end and day is None for end, day in zip(ends, days, strict=True)):
        return key
    first, last = (day.first if day is not None else "" for day in days)
    least, most = other.values[0].split("-")
    first, last = max(first, least), min(filter(None, (last, most)), default="")
    # Where they have nothing in common nothing is seen; a range must not end before it begins.
    return key if last and last < first else replace(key, values=(f"{first}-{last}",))


def _holds(wanted: StudyFilter, study: StudyFacts, series: SeriesFacts | None) -> bool | None:
    """Tell whether all that a filter names is so; None where the series must be asked."""
    if not _is_in_time(wanted, study.date) or not _has_prefix(wanted, study.accession_number):
        return False
    verdicts = (_has_modality(wanted, study, series), _has_institution(wanted, study, series))
    return False if False in verdicts else None if None in verdicts else True


def _is_in_time(wanted: StudyFilter, day: str) -> bool:
    first, last = _first_day(wanted), wanted.until
    if first is None and last is None:
        return True
    return bool(day) and (first is None or _digits(first) <= day) and (last is None or day <= _digits(last))


def _has_prefix(wanted: StudyFilter, accession_number: str) -> bool:
    return not wanted.accession_prefix or accession_number.startswith(wanted.accession_prefix)


def _has_modality(wanted: StudyFilter, study: StudyFacts, series: SeriesFacts | None) -> bool | None:
    if not wanted.modality:
        return True
    if study.modalities:
        return not wanted.modality.isdisjoint(study.modalities)
    return None if series is None else not wanted.modality.isdisjoint(series.modalities)


def _has_institution(wanted: StudyFilter, study: StudyFacts, series: SeriesFacts | None) -> bool | None:
    if not wanted.institution:
        return True
    names = {name.casefold() for name in wanted.institution}
    if not names.isdisjoint(study.institutions):
        return True
    # The study may name one of several only.
    return None if series is None else not names.isdisjoint(series.institutions)


def _days(filters: Sequence[StudyFilter]) -> str:
    """Give the range of dates that holds those of every filter; empty where there is none."""
    starts, ends = [_first_day(one) for one in filters], [one.until for one in filters]
    first = min((day for day in starts if day is not None), default=None) if all(starts) else None
    last = max((day for day in ends if day is not None), default=None) if all(ends) else None
    if first is None and last is None:
        return ""
    return f"{'' if first is None else _digits(first)}-{'' if last is None else _digits(last)}"


def _first_day(wanted: StudyFilter) -> date | None:
    """Give the first day of which studies are seen."""
    days = [] if wanted.since is None else [wanted.since]
    if wanted.last_days is not None:
        days.append(date.today() - timedelta(days=wanted.last_days))
    return max(days, default=None)


def _digits(day: date) -> str:
    return day.isoformat().replace("-", "")


def _can_be_key(prefix: str) -> bool:
    return len(prefix) < _LONGEST_SH and not any(character in prefix for character in _WILDCARDS)


def _texts(match: DicomJson, tag: str, folded: Callable[[str], str]) -> set[str]:
    element = match.get(tag)
    values = element.get("Value", ()) if element is not None else ()
    texts = (str(value).strip(_PADDING) for value in values if value is not None)
    return {folded(text) for text in texts if text}
