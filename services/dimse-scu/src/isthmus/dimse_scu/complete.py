"""What an origin leaves out of a study, asked of its series before the study is judged by it."""

from isthmus.common.dicom.json_model import DicomJson
from isthmus.common.dicom.json_values import first_text
from isthmus.common.dicom.levels import Level
from isthmus.common.dicom.summaries import ASKED, completed
from isthmus.common.dimse import AssociationPool
from isthmus.dimse_scu.identifier import list_identifier
from isthmus.dimse_scu.responses import find

_STUDY = "0020000D"


async def complete_study(pool: AssociationPool, match: DicomJson, judged: frozenset[str]) -> DicomJson:
    """Fill in what a study lacks from one SERIES query.

    Raises:
        OriginError: the origin failed.
    """
    identifier = list_identifier(Level.SERIES, first_text(match, _STUDY), None, [tag for (tag,) in ASKED])
    series = [found async for found in find(pool, identifier)]
    return completed(match, series, judged)
