"""What a DIMSE origin says it has: a study's series, and their instances (C-FIND, PS3.4 C.6.2)."""

from contextlib import aclosing
from typing import Final

from isthmus.common.dicom.json_model import DicomJson
from isthmus.common.dicom.json_values import first_text
from isthmus.common.dicom.levels import Level
from isthmus.common.dicom.uids import LONGEST_UID
from isthmus.common.dimse import AssociationPool
from isthmus.common.errors import NotDelivered, OperationFailed
from isthmus.common.messages import Retrieve
from isthmus.common.retrieving.listing import Listed, ListedSeries, Listing, with_one_more
from isthmus.common.retrieving.patience import is_transient
from isthmus.dimse_scu.identifier import list_identifier
from isthmus.dimse_scu.responses import find

_STUDY: Final = "0020000D"
_SERIES: Final = "0020000E"
_MODALITY: Final = "00080060"
_CLASS: Final = "00080016"
_INSTANCE: Final = "00080018"
_INSTANCES_OF_SERIES: Final = "00201209"


async def list_series(
    pool: AssociationPool, wanted: Retrieve, *, counts: bool = True, priority: int = 0
) -> list[ListedSeries]:
    """List the series of a study, or the one that is wanted; without `counts` those are not believed.

    Raises:
        OriginError: the origin failed, or lists what has no UID; a part of a list is no list.
    """
    tags = (_SERIES, _MODALITY, _INSTANCES_OF_SERIES)
    identifier = list_identifier(Level.SERIES, wanted.study, _as_key(wanted.series), tags)
    found: dict[str, ListedSeries] = {}
    async with aclosing(find(pool, identifier, priority=priority)) as matches:
        async for match in matches:
            series = _uid(match, _SERIES, wanted)
            if first_text(match, _STUDY) in ("", wanted.study) and wanted.series in (None, series):
                count = first_text(match, _INSTANCES_OF_SERIES)
                believed = int(count) if counts and count.isdecimal() else None
                found[series] = ListedSeries(series, first_text(match, _MODALITY), believed)
    return list(found.values())


async def list_instances(
    pool: AssociationPool,
    wanted: Retrieve,
    series: ListedSeries,
    *,
    instance: str | None = None,
    priority: int = 0,
) -> Listing:
    """List the instances of a series, or the one that is named.

    What origins answer beyond the question (matching keys that they ignore) is dropped.

    Raises:
        OriginError: the origin failed, or lists what has no UID; a part of a list is no list.
    """
    try:
        return await _list_instances(pool, wanted, series, (_INSTANCE, _CLASS), instance, priority)
    except OperationFailed as error:
        if is_transient(error):
            raise
    # Orthanc reads the files for what its index lacks, the SOP class too, and fails at one that is lost.
    return await _list_instances(pool, wanted, series, (_INSTANCE,), instance, priority)


async def _list_instances(
    pool: AssociationPool,
    wanted: Retrieve,
    series: ListedSeries,
    tags: tuple[str, ...],
    instance: str | None,
    priority: int,
) -> Listing:
    uid = series.series_instance_uid
    identifier = list_identifier(Level.IMAGE, wanted.study, uid, tags, _as_key(instance))
    listing: dict[str, Listed] = {}
    async with aclosing(find(pool, identifier, priority=priority)) as matches:
        async for match in matches:
            parents = first_text(match, _STUDY), first_text(match, _SERIES)
            if parents[0] not in ("", wanted.study) or parents[1] not in ("", uid):
                continue
            found = _uid(match, _INSTANCE, wanted)
            if instance is None or found in (instance, instance[:LONGEST_UID]):
                one = Listed(uid, found, first_text(match, _CLASS), series.modality)
                listing[found] = with_one_more(listing, one)
    return listing


def _as_key(uid: str | None) -> str | None:
    """Give what matches a UID: origins that cut those that are too long find nothing by the whole ones."""
    return uid if uid is not None and len(uid) <= LONGEST_UID else None


def _uid(match: DicomJson, tag: str, wanted: Retrieve) -> str:
    """Give the UID of what is listed; without it nobody could tell whether it arrived."""
    uid = first_text(match, tag)
    if not uid:
        raise NotDelivered("The origin lists something of the study without its UID", origin=wanted.origin)
    return uid
