"""Studies, series and instances of an inbox as matches of a search (PS3.18 10.6.3.3; PS3.4 C.6.2).

What is known not to be there is there without a value, so that a key with one does not match it.
"""

from collections.abc import Iterator, Mapping
from typing import Final

from isthmus.common.dicom.attributes import tag_of, tags_of, vr_of
from isthmus.common.dicom.json_values import DicomJson, JsonElement, JsonValue
from isthmus.common.dicom.levels import Level
from isthmus.common.dicom.search_attributes import DEFAULT_RETURN, OPTIONAL, REQUIRED_MATCHING, UNIQUE_KEYS
from isthmus.common.inbox.contents import Contents, Row
from isthmus.common.inbox.state import SeriesSummary, StudyState

_MODALITY: Final = tag_of("Modality")
_MODALITIES: Final = tag_of("ModalitiesInStudy")
_STUDY_SERIES: Final = tag_of("NumberOfStudyRelatedSeries")
_STUDY_INSTANCES: Final = tag_of("NumberOfStudyRelatedInstances")
_SERIES_INSTANCES: Final = tag_of("NumberOfSeriesRelatedInstances")
_SERIES_NUMBER: Final = tag_of("SeriesNumber")
_INSTANCE_NUMBER: Final = tag_of("InstanceNumber")
_SOP_CLASS: Final = tag_of("SOPClassUID")
_SYNTAXES: Final = tag_of("AvailableTransferSyntaxUID")
_AVAILABILITY: Final = tag_of("InstanceAvailability")
_NOT_KEPT: Final = frozenset(
    tags_of(
        (
            "SOPClassesInStudy",
            "AnatomicRegionsInStudyCodeSequence",
            "NumberOfPatientRelatedStudies",
            "NumberOfPatientRelatedSeries",
            "NumberOfPatientRelatedInstances",
        )
    )
)
"""Of these nobody keeps count: they are not given, and match everything (PS3.4 C.2.2.1.3)."""


def _nothing(level: Level) -> DicomJson:
    tags = {path[0] for table in (REQUIRED_MATCHING, DEFAULT_RETURN, OPTIONAL) for path in table[level]}
    return {tag: {"vr": vr_of(tag)} for tag in sorted(tags - _NOT_KEPT)}


_NOTHING: Final[Mapping[Level, DicomJson]] = {level: _nothing(level) for level in Level}


def study_match(state: StudyState) -> DicomJson:
    """Describe a study."""
    modalities = sorted({str(value) for one in state.series for value in _values(one.attributes, _MODALITY)})
    return {
        **_NOTHING[Level.STUDY],
        **state.attributes,
        UNIQUE_KEYS[Level.STUDY]: _element(UNIQUE_KEYS[Level.STUDY], state.study),
        _MODALITIES: _element(_MODALITIES, *modalities),
        _STUDY_SERIES: _element(_STUDY_SERIES, len(state.series)),
        _STUDY_INSTANCES: _element(_STUDY_INSTANCES, state.instances),
        _AVAILABILITY: _element(_AVAILABILITY, "ONLINE"),
    }


def series_matches(state: StudyState) -> Iterator[DicomJson]:
    """Describe the series of a study, each with its study's attributes, in the order of their numbers."""
    study = study_match(state)
    for one in sorted(state.series, key=lambda one: (_number(one.attributes, _SERIES_NUMBER), one.uid)):
        yield _series_match(study, one)


def instance_matches(state: StudyState, contents: Contents) -> Iterator[DicomJson]:
    """Describe the instances of a study, each with the attributes of its series and study, likewise."""
    series = {str(match[UNIQUE_KEYS[Level.SERIES]]["Value"][0]): match for match in series_matches(state)}
    places = {uid: place for place, uid in enumerate(series)}
    rows = sorted(
        contents.rows.items(),
        key=lambda item: (
            places.get(item[1].blob.series_instance_uid, len(places)),
            _number(item[1].attributes, _INSTANCE_NUMBER),
            item[0],
        ),
    )
    for _, row in rows:
        yield _instance_match(series.get(row.blob.series_instance_uid, {}), row)


def _series_match(study: DicomJson, one: SeriesSummary) -> DicomJson:
    return {
        **study,
        **_NOTHING[Level.SERIES],
        **one.attributes,
        UNIQUE_KEYS[Level.SERIES]: _element(UNIQUE_KEYS[Level.SERIES], one.uid),
        _SERIES_INSTANCES: _element(_SERIES_INSTANCES, one.instances),
        _AVAILABILITY: _element(_AVAILABILITY, "ONLINE"),
    }


def _instance_match(series: DicomJson, row: Row) -> DicomJson:
    blob = row.blob
    return {
        **series,
        **_NOTHING[Level.IMAGE],
        **row.attributes,
        UNIQUE_KEYS[Level.STUDY]: _element(UNIQUE_KEYS[Level.STUDY], blob.study_instance_uid),
        UNIQUE_KEYS[Level.SERIES]: _element(UNIQUE_KEYS[Level.SERIES], blob.series_instance_uid),
        UNIQUE_KEYS[Level.IMAGE]: _element(UNIQUE_KEYS[Level.IMAGE], blob.sop_instance_uid),
        _SOP_CLASS: _element(_SOP_CLASS, blob.sop_class_uid),
        _SYNTAXES: _element(_SYNTAXES, blob.transfer_syntax_uid),
        _AVAILABILITY: _element(_AVAILABILITY, "ONLINE"),
    }


def _element(tag: str, *values: JsonValue) -> JsonElement:
    return {"vr": vr_of(tag), "Value": list(values)} if values else {"vr": vr_of(tag)}


def _values(attributes: DicomJson, tag: str) -> list[JsonValue]:
    element = attributes.get(tag)
    return [value for value in element.get("Value", ()) if value is not None] if element is not None else []


def _number(attributes: DicomJson, tag: str) -> float:
    """Give a number to sort by; what has none comes last."""
    values = _values(attributes, tag)
    return float(values[0]) if values and isinstance(values[0], int | float) else float("inf")
