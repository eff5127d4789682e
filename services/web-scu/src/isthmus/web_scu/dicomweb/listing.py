"""What a DICOMweb server says it has: a study's series, and their instances (QIDO-RS, PS3.18 10.6)."""

from collections.abc import Iterable
from contextlib import aclosing
from typing import Final

from isthmus.common.dicom.attributes import tag_of
from isthmus.common.dicom.json_model import DicomJson
from isthmus.common.dicom.json_values import first_text
from isthmus.common.dicom.levels import Level
from isthmus.common.dicom.matching import MatchingKey
from isthmus.common.dicom.uids import check_uid
from isthmus.common.errors import InvalidParameter, MalformedAnswer, NotDelivered
from isthmus.common.messages import Query, Retrieve
from isthmus.common.retrieving.listing import Listed, ListedSeries, Listing
from isthmus.web_scu.dicomweb.asking import Asking

_STUDY: Final = tag_of("StudyInstanceUID")
_SERIES: Final = tag_of("SeriesInstanceUID")
_INSTANCE: Final = tag_of("SOPInstanceUID")
_CLASS: Final = tag_of("SOPClassUID")
_MODALITY: Final = tag_of("Modality")
_INSTANCES_OF_SERIES: Final = tag_of("NumberOfSeriesRelatedInstances")
_PADDING: Final = " \0"


async def list_series(asking: Asking, wanted: Retrieve) -> list[ListedSeries]:
    """List the series of a study, or the one that is wanted.

    Raises:
        OriginError: the server failed, or lists what has no UID; a part of a list is no list.
    """
    query = _query(Level.SERIES, wanted, wanted.series, None, (_MODALITY, _INSTANCES_OF_SERIES))
    found: dict[str, ListedSeries] = {}
    async with aclosing(asking.matches(query)) as matches:
        async for match in matches:
            uid = _uid(match, _SERIES, wanted)
            if _text(match, _STUDY) in ("", wanted.study) and wanted.series in (None, uid):
                count = _text(match, _INSTANCES_OF_SERIES)
                number = int(count) if count.isdecimal() else None
                found[uid] = ListedSeries(uid, _text(match, _MODALITY), number)
    return list(found.values())


async def list_instances(
    asking: Asking, wanted: Retrieve, series: ListedSeries, instance: str | None = None
) -> Listing:
    """List the instances of a series, or the one that is named.

    Raises:
        OriginError: the server failed, or lists what has no UID; a part of a list is no list.
    """
    uid = series.series_instance_uid
    try:
        check_uid(uid, "Series Instance UID")
    except InvalidParameter:
        detail = "The origin lists a series by what is no UID"
        raise MalformedAnswer(detail, origin=wanted.origin) from None
    query = _query(Level.IMAGE, wanted, uid, instance, (_CLASS,))
    listing: dict[str, Listed] = {}
    async with aclosing(asking.matches(query)) as matches:
        async for match in matches:
            if _text(match, _STUDY) not in ("", wanted.study) or _text(match, _SERIES) not in ("", uid):
                continue
            found = _uid(match, _INSTANCE, wanted)
            if instance in (None, found):
                listing[found] = Listed(uid, found, _text(match, _CLASS), series.modality)
    return listing


def _query(
    level: Level, wanted: Retrieve, series: str | None, instance: str | None, returned: Iterable[str]
) -> Query:
    uids = ((_STUDY, wanted.study), (_SERIES, series), (_INSTANCE, instance))
    keys = tuple(MatchingKey((tag,), (uid,)) for tag, uid in uids if uid is not None)
    return Query(wanted.origin, level, keys, tuple((tag,) for tag in returned))


def _uid(match: DicomJson, tag: str, wanted: Retrieve) -> str:
    """Give the UID of what is listed; without it nobody could tell whether it arrived."""
    uid = _text(match, tag)
    if not uid:
        raise NotDelivered("The origin lists something of the study without its UID", origin=wanted.origin)
    return uid


def _text(match: DicomJson, tag: str) -> str:
    """Give the first value of an attribute, as text without padding; empty where there is none."""
    return first_text(match, tag).strip(_PADDING)
