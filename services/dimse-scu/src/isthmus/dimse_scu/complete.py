"""What origins leave out of a study, filled in from its series (PS3.18 Table 10.6.3-3 requires it)."""

from typing import Final

from isthmus.common.dicom.json_model import DicomJson, JsonElement
from isthmus.common.dicom.levels import Level
from isthmus.common.dimse import AssociationPool
from isthmus.common.messages import Query
from isthmus.dimse_scu.identifier import list_identifier
from isthmus.dimse_scu.responses import find, text

_STUDY: Final = "0020000D"
_SERIES: Final = "0020000E"
_MODALITY: Final = "00080060"
_MODALITIES: Final = "00080061"
_NUMBER_OF_SERIES: Final = "00201206"
_NUMBER_OF_INSTANCES: Final = "00201208"
_INSTANCES_OF_SERIES: Final = "00201209"


def needs_completing(query: Query, match: DicomJson) -> bool:
    """Tell whether a study lacks its modalities, though they were asked for: that breaks viewers' lists."""
    if query.level is not Level.STUDY or (_MODALITIES,) not in query.return_keys:
        return False
    return not match.get(_MODALITIES, {}).get("Value")


async def complete_study(pool: AssociationPool, query: Query, match: DicomJson) -> DicomJson:
    """Fill in modalities and counts from one SERIES query.

    Raises:
        OriginError: the origin failed.
    """
    study = text(match, _STUDY)
    if not study:
        return match
    identifier = list_identifier(Level.SERIES, study, None, (_SERIES, _MODALITY, _INSTANCES_OF_SERIES))
    series = [found async for found in find(pool, identifier) if text(found, _STUDY) in ("", study)]
    completed: DicomJson = dict(match)
    modalities = sorted({text(one, _MODALITY) for one in series} - {""})
    completed[_MODALITIES] = {"vr": "CS", "Value": list(modalities)} if modalities else {"vr": "CS"}
    _fill(query, completed, _NUMBER_OF_SERIES, len(series))
    counts = [_number(one, _INSTANCES_OF_SERIES) for one in series]
    if None not in counts:
        _fill(query, completed, _NUMBER_OF_INSTANCES, sum(count for count in counts if count is not None))
    return dict(sorted(completed.items()))


def _fill(query: Query, match: DicomJson, tag: str, number: int) -> None:
    if (tag,) in query.return_keys and not match.get(tag, {}).get("Value"):
        element: JsonElement = {"vr": "IS", "Value": [number]}
        match[tag] = element


def _number(match: DicomJson, tag: str) -> int | None:
    value = text(match, tag)
    return int(value) if value.isdigit() else None
