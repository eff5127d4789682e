"""C-FIND of a modality worklist: the scheduled procedure steps that match (PS3.4 K.4.1)."""

from contextlib import aclosing

from isthmus.common.bus import MatchWriter
from isthmus.common.config import DimseOrigin
from isthmus.common.dicom.worklist import WorklistMatcher
from isthmus.common.dimse import WORKLIST, AssociationPool
from isthmus.common.messages import WorklistQuery
from isthmus.dimse_scu.identifier import worklist_identifier
from isthmus.dimse_scu.responses import find


class WorklistWork:
    """Answers `dicom.worklist` of one origin."""

    def __init__(self, pool: AssociationPool, origin: DimseOrigin) -> None:
        self._pool = pool
        self._origin = origin

    async def __call__(self, query: WorklistQuery, writer: MatchWriter) -> None:
        """Search; the writer gets only what does match, in the origin's order.

        Cancelling this task sends C-CANCEL.

        Raises:
            NoAcceptedContext: the origin has no worklist.
            OriginError: the origin failed; what was written until then is not the whole.
        """
        matcher = WorklistMatcher(query.keys)
        identifier = worklist_identifier(query, self._origin.character_set)
        async with aclosing(find(self._pool, identifier, context=WORKLIST)) as matches:
            async for match in matches:
                if matcher.matches(match):
                    await writer.add(match)
