"""What origins leave out of a study, summed up from its series (PS3.18 Table 10.6.3-3 requires it)."""

import re
from collections.abc import Collection, Sequence
from typing import Final

from isthmus.common.dicom.attributes import AttributePath, tag_of, tags_of, vr_of
from isthmus.common.dicom.json_model import DicomJson, JsonElement, JsonValue
from isthmus.common.dicom.json_values import first_text
from isthmus.common.dicom.levels import Level
from isthmus.common.dicom.matching import MatchingKey, Wanted

_STUDY: Final = tag_of("StudyInstanceUID")
_SERIES: Final = tag_of("SeriesInstanceUID")
_MODALITY: Final = tag_of("Modality")
_INSTANCES_OF_SERIES: Final = tag_of("NumberOfSeriesRelatedInstances")
_MODALITIES: Final = tag_of("ModalitiesInStudy")
_NUMBER_OF_SERIES: Final = tag_of("NumberOfStudyRelatedSeries")
NUMBER_OF_INSTANCES: Final = tag_of("NumberOfStudyRelatedInstances")
_NUMBER: Final = re.compile(r"[0-9]{1,12}")

SUMMED_UP: Final = frozenset({_MODALITIES, _NUMBER_OF_SERIES, NUMBER_OF_INSTANCES})
"""The attributes of a study that its series tell."""
ASKED: Final[tuple[AttributePath, ...]] = tuple(
    (tag,) for tag in tags_of(("SeriesInstanceUID", "Modality", "NumberOfSeriesRelatedInstances"))
)
"""The attributes of the series that tell them."""


def judged_by(level: Level, keys: Sequence[MatchingKey], *, counts: bool = True) -> frozenset[str]:
    """Give the attributes that a study's series can tell, and by which a query judges it.

    Args:
        level: of the query; below STUDY there are none.
        keys: its matching keys.
        counts: whether the origin counts the instances of a series rightly.
    """
    if level is not Level.STUDY:
        return frozenset()
    tags = frozenset(key.path[0] for key in keys if key.values or key.wanted is Wanted.NOTHING)
    return tags & (SUMMED_UP if counts else SUMMED_UP - {NUMBER_OF_INSTANCES})


def needs_completing(study: DicomJson, judged: Collection[str]) -> bool:
    """Tell whether a study lacks something of what it is judged by, and can be asked for it."""
    return bool(judged) and bool(lacking(study, judged)) and bool(first_text(study, _STUDY))


def completed(study: DicomJson, series: Sequence[DicomJson], wanted: Collection[str]) -> DicomJson:
    """Fill in what a study lacks of the wanted attributes, as far as all of its series tell it."""
    told = summed_up(first_text(study, _STUDY), series, lacking(study, wanted))
    return dict(sorted({**study, **told}.items()))


def lacking(study: DicomJson, wanted: Collection[str]) -> frozenset[str]:
    """Give those of the wanted attributes that a study lacks and its series may tell."""
    return frozenset(tag for tag in SUMMED_UP.intersection(wanted) if not _has_value(study, tag))


def summed_up(study: str, series: Sequence[DicomJson], wanted: Collection[str]) -> DicomJson:
    """Sum up what the series of a study tell; a number that they do not tell is not there.

    Args:
        study: its Study Instance UID: origins may answer with more than was asked for.
        series: all of its series, with the attributes of `ASKED`.
        wanted: the attributes to sum up.
    """
    own = {
        first_text(one, _SERIES): one
        for one in series
        if first_text(one, _STUDY) in ("", study) and first_text(one, _SERIES)
    }
    modalities = sorted({first_text(one, _MODALITY) for one in own.values()} - {""})
    counts = [first_text(one, _INSTANCES_OF_SERIES) for one in own.values()]
    told: dict[str, list[JsonValue]] = {_MODALITIES: list(modalities)}
    if own:
        told[_NUMBER_OF_SERIES] = [len(own)]
        if all(map(_NUMBER.fullmatch, counts)):
            told[NUMBER_OF_INSTANCES] = [sum(map(int, counts))]
    return {tag: _element(tag, told[tag]) for tag in sorted(told) if tag in wanted}


def _element(tag: str, values: list[JsonValue]) -> JsonElement:
    return {"vr": vr_of(tag), "Value": values} if values else {"vr": vr_of(tag)}


def _has_value(match: DicomJson, tag: str) -> bool:
    return any(value is not None for value in _values(match, tag))


def _values(match: DicomJson, tag: str) -> list[JsonValue]:
    element = match.get(tag)
    return element.get("Value", []) if element is not None else []
