"""Which instances an origin says it has (C-FIND down to IMAGE level, PS3.4 C.6.2)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from isthmus.common.dicom.json_model import DicomJson
from isthmus.common.dicom.levels import Level
from isthmus.common.dimse import AssociationPool
from isthmus.common.errors import NotDelivered
from isthmus.common.messages import MissingInstance, Retrieve
from isthmus.dimse_scu.identifier import list_identifier
from isthmus.dimse_scu.responses import find, text
from isthmus.dimse_scu.uids import LONGEST_UID

_STUDY: Final = "0020000D"
_SERIES: Final = "0020000E"
_MODALITY: Final = "00080060"
_CLASS: Final = "00080016"
_INSTANCE: Final = "00080018"


@dataclass(frozen=True, slots=True)
class Listed:
    """An instance that the origin lists."""

    series_instance_uid: str
    sop_instance_uid: str
    sop_class_uid: str
    """Empty where the origin does not say."""
    modality: str
    count: int = 1
    """How many instances the origin lists under this UID: several, where it cuts those that are too long."""

    @property
    def missing(self) -> MissingInstance:
        """The instance, as one that was not delivered."""
        return MissingInstance(self.series_instance_uid, self.sop_instance_uid)


Listing = Mapping[str, Listed]
"""By SOP Instance UID."""


async def list_instances(pool: AssociationPool, wanted: Retrieve) -> Listing:
    """List what the origin has of a study, series or instance.

    What origins answer beyond the question (matching keys that they ignore) is dropped.

    Raises:
        OriginError: the origin failed, or lists what has no UID; a part of a list is no list.
    """
    listing: dict[str, Listed] = {}
    for series, modality in (await _list_series(pool, wanted)).items():
        identifier = list_identifier(Level.IMAGE, wanted.study, series, (_INSTANCE, _CLASS))
        async for match in find(pool, identifier):
            if text(match, _STUDY) not in ("", wanted.study) or text(match, _SERIES) not in ("", series):
                continue
            instance = _uid(match, _INSTANCE, wanted)
            if wanted.instance is None or instance in (wanted.instance, wanted.instance[:LONGEST_UID]):
                count = _others(listing.get(instance)) + 1
                listing[instance] = Listed(series, instance, text(match, _CLASS), modality, count)
    return listing


async def _list_series(pool: AssociationPool, wanted: Retrieve) -> Mapping[str, str]:
    """Give the series and their modalities."""
    identifier = list_identifier(Level.SERIES, wanted.study, None, (_SERIES, _MODALITY))
    return {
        series: text(match, _MODALITY)
        async for match in find(pool, identifier)
        if text(match, _STUDY) in ("", wanted.study)
        and (series := _uid(match, _SERIES, wanted))
        and wanted.series in (None, series)
    }


def _others(listed: Listed | None) -> int:
    """Tell how many other instances are listed under a UID, which may be a cut one."""
    return listed.count if listed is not None and len(listed.sop_instance_uid) == LONGEST_UID else 0


def _uid(match: DicomJson, tag: str, wanted: Retrieve) -> str:
    """Give the UID of what is listed; without it nobody could tell whether it arrived."""
    uid = text(match, tag)
    if not uid:
        raise NotDelivered("The origin lists something of the study without its UID", origin=wanted.origin)
    return uid
