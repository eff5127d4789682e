"""What a DICOMweb server says it has: a study's series, and their instances (QIDO-RS, PS3.18 10.6)."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, suppress
from http import HTTPStatus
from typing import Final

from isthmus.common.dicom.attributes import tag_of
from isthmus.common.dicom.json_model import DicomJson
from isthmus.common.errors import HttpOperationFailed, InvalidParameter, MalformedAnswer, NotDelivered
from isthmus.common.messages import Retrieve
from isthmus.common.retrieving.listing import Listed, ListedSeries, Listing
from isthmus.common.webclient import WebClient, pages
from isthmus.web_scu.dicomweb.paths import path_of

_STUDY: Final = tag_of("StudyInstanceUID")
_SERIES: Final = tag_of("SeriesInstanceUID")
_INSTANCE: Final = tag_of("SOPInstanceUID")
_CLASS: Final = tag_of("SOPClassUID")
_MODALITY: Final = tag_of("Modality")
_INSTANCES_OF_SERIES: Final = tag_of("NumberOfSeriesRelatedInstances")
_NONE: Final = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.GONE})
"""How some servers say that nothing matches."""
_PADDING: Final = " \0"


async def list_series(client: WebClient, wanted: Retrieve) -> list[ListedSeries]:
    """List the series of a study, or the one that is wanted.

    Raises:
        OriginError: the server failed, or lists what has no UID; a part of a list is no list.
    """
    with suppress(InvalidParameter):
        found: dict[str, ListedSeries] = {}
        path = f"{path_of(wanted.study)}/series"
        async with aclosing(_matches(client, path, _SERIES, wanted.series)) as matches:
            async for match in matches:
                uid = _uid(match, _SERIES, wanted)
                if _text(match, _STUDY) in ("", wanted.study) and wanted.series in (None, uid):
                    count = _text(match, _INSTANCES_OF_SERIES)
                    number = int(count) if count.isdecimal() else None
                    found[uid] = ListedSeries(uid, _text(match, _MODALITY), number)
        return list(found.values())
    return []  # what no URL can name, no such server has


async def list_instances(
    client: WebClient, wanted: Retrieve, series: ListedSeries, instance: str | None = None
) -> Listing:
    """List the instances of a series, or the one that is named.

    Raises:
        OriginError: the server failed, or lists what has no UID; a part of a list is no list.
    """
    uid = series.series_instance_uid
    try:
        path = f"{path_of(wanted.study, uid)}/instances"
    except InvalidParameter:
        detail = "The origin lists a series by what is no UID"
        raise MalformedAnswer(detail, origin=wanted.origin) from None
    listing: dict[str, Listed] = {}
    async with aclosing(_matches(client, path, _INSTANCE, instance)) as matches:
        async for match in matches:
            if _text(match, _STUDY) not in ("", wanted.study) or _text(match, _SERIES) not in ("", uid):
                continue
            found = _uid(match, _INSTANCE, wanted)
            if instance in (None, found):
                listing[found] = Listed(uid, found, _text(match, _CLASS), series.modality)
    return listing


async def _matches(
    client: WebClient, path: str, tag: str, uid: str | None
) -> AsyncGenerator[DicomJson, None]:
    named: Sequence[tuple[str, str]] = () if uid is None else ((tag, uid),)
    try:
        async with aclosing(pages(client, path, named)) as found:
            async for page in found:
                for match in page.data_sets:
                    yield match
    except HttpOperationFailed as error:
        if error.http_status not in _NONE:
            raise


def _uid(match: DicomJson, tag: str, wanted: Retrieve) -> str:
    """Give the UID of what is listed; without it nobody could tell whether it arrived."""
    uid = _text(match, tag)
    if not uid:
        raise NotDelivered("The origin lists something of the study without its UID", origin=wanted.origin)
    return uid


def _text(match: DicomJson, tag: str) -> str:
    """Give the first value of an attribute, as text; empty where there is none."""
    values = match.get(tag, {}).get("Value") or [""]
    return "" if values[0] is None else str(values[0]).strip(_PADDING)
