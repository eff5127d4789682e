"""What an origin leaves out of a study, asked of its series before the study is judged by it."""

from isthmus.common.dicom.json_model import DicomJson
from isthmus.common.dicom.levels import Level
from isthmus.common.dicom.matching import Wanted
from isthmus.common.dicom.summaries import ASKED, NUMBER_OF_INSTANCES, SUMMED_UP, lacking, summed_up
from isthmus.common.dimse import AssociationPool
from isthmus.common.messages import Query
from isthmus.dimse_scu.identifier import list_identifier
from isthmus.dimse_scu.responses import find, text

_STUDY = "0020000D"


def judged_by(query: Query, *, counts: bool) -> frozenset[str]:
    """Give the attributes that a study's series can tell, and by which the query judges it.

    Args:
        query: of any level.
        counts: whether the origin counts the instances of a series rightly.
    """
    if query.level is not Level.STUDY:
        return frozenset()
    keys = {key.path[0] for key in query.keys if key.values or key.wanted is Wanted.NOTHING}
    return frozenset(keys) & (SUMMED_UP if counts else SUMMED_UP - {NUMBER_OF_INSTANCES})


def needs_completing(match: DicomJson, judged: frozenset[str]) -> bool:
    """Tell whether a study lacks something of what it is judged by."""
    return bool(judged) and bool(lacking(match, judged)) and bool(text(match, _STUDY))


async def complete_study(pool: AssociationPool, match: DicomJson, judged: frozenset[str]) -> DicomJson:
    """Fill in what a study lacks from one SERIES query.

    Raises:
        OriginError: the origin failed.
    """
    study = text(match, _STUDY)
    identifier = list_identifier(Level.SERIES, study, None, [tag for (tag,) in ASKED])
    series = [found async for found in find(pool, identifier)]
    return dict(sorted({**match, **summed_up(study, series, lacking(match, judged))}.items()))
