"""Queries as C-FIND, C-GET and C-MOVE identifiers (PS3.4 C.4.1.1.3, C.4.2.1.4)."""

from collections.abc import Sequence

from pydicom import Dataset
from pydicom.dataelem import DataElement
from pydicom.sequence import Sequence as ItemSequence
from pydicom.tag import Tag
from pydicom.uid import UID

from isthmus.common.dicom.attributes import AttributePath, vr_of
from isthmus.common.dicom.levels import Level
from isthmus.common.dicom.matching import MatchingKey
from isthmus.common.dicom.narrowing import narrowing_value
from isthmus.common.messages import Query, WorklistQuery
from isthmus.common.retrieving.ask import Ask

_STUDY = "0020000D"
_SERIES = "0020000E"
_INSTANCE = "00080018"
_NOT_SENT = frozenset({"00081190", "00080201", "00080005"})
"""RetrieveURL is made here, TimezoneOffsetFromUTC was not negotiated; the character set is ours."""


def find_identifier(query: Query, character_set: str) -> Dataset:
    """Write a query as C-FIND identifier: return keys empty, matching keys with what an origin can match."""
    identifier = _base(query.level, character_set)
    for path in query.return_keys:
        if path[0] not in _NOT_SENT:
            _set(identifier, path, "")
    for key in query.keys:
        _set(identifier, key.path, _sent_value(key, fuzzy=query.fuzzy))
    return identifier


def worklist_identifier(query: WorklistQuery, character_set: str) -> Dataset:
    """Write a query of a worklist (PS3.4 K.6.1.2), likewise; it has no level."""
    identifier = Dataset()
    identifier.SpecificCharacterSet = character_set
    for path in query.return_keys:
        if path[0] not in _NOT_SENT:
            _set(identifier, path, "")
    for key in query.keys:
        _set(identifier, key.path, _sent_value(key, fuzzy=False))
    return identifier


def retrieve_identifier(ask: Ask) -> Dataset:
    """Write which study, series or instances are to be sent (PS3.4 C.4.2.1.4.1)."""
    identifier = _base(ask.level, None)
    _set(identifier, (_STUDY,), ask.study)
    if ask.series:
        _set(identifier, (_SERIES,), ask.series)
    if ask.level is Level.IMAGE:
        _set(identifier, (_INSTANCE,), "\\".join(one.sop_instance_uid for one in ask.instances))
    return identifier


def list_identifier(
    level: Level, study: str, series: str | None, return_tags: Sequence[str], instance: str | None = None
) -> Dataset:
    """Write a C-FIND for the children of a study or series, or for the one that is named."""
    identifier = _base(level, None)
    _set(identifier, (_STUDY,), study)
    if series is not None:
        _set(identifier, (_SERIES,), series)
    if instance is not None:
        _set(identifier, (_INSTANCE,), instance)
    for tag in return_tags:
        _set(identifier, (tag,), "")
    return identifier


def _base(level: Level, character_set: str | None) -> Dataset:
    identifier = Dataset()
    if character_set is not None:
        identifier.SpecificCharacterSet = character_set
    identifier.QueryRetrieveLevel = level.value
    return identifier


def _sent_value(key: MatchingKey, *, fuzzy: bool) -> str:
    if vr_of(key.path[-1]) == "UI":
        return "\\".join(key.values)
    return narrowing_value(key, fuzzy=fuzzy)


def _set(dataset: Dataset, path: AttributePath, value: str) -> None:
    *parents, last = path
    for parent in parents:
        tag = Tag(int(parent, 16))
        if tag not in dataset:
            dataset.add(DataElement(tag, "SQ", ItemSequence([Dataset()])))
        (dataset,) = dataset[tag].value
    tag, vr = Tag(int(last, 16)), vr_of(last)
    if vr == "SQ":
        if tag not in dataset:
            dataset.add(DataElement(tag, "SQ", ItemSequence([Dataset()])))
        return
    if tag in dataset and not value:
        return
    # A matching key may be what its VR forbids in a data set: a range, a wildcard, a UID that is too long.
    dataset.add(DataElement(tag, vr, _value(vr, value), validation_mode=0))


def _value(vr: str, value: str) -> object:
    if vr == "UI":
        uids = [UID(uid, validation_mode=0) for uid in value.split("\\")] if value else []
        return uids if len(uids) != 1 else uids[0]
    if not value:
        return None
    return value
