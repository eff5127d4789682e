"""C-FIND: the matches of a query, filtered and completed where the origin fell short (PS3.4 C.4.1)."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from pydicom import Dataset

from isthmus.common.bus import MatchWriter
from isthmus.common.config import Origin
from isthmus.common.dicom.json_model import DicomJson
from isthmus.common.dicom.matching import Matcher
from isthmus.common.dimse import AssociationPool
from isthmus.common.messages import Query
from isthmus.dimse_scu.complete import complete_study, needs_completing
from isthmus.dimse_scu.identifier import find_identifier
from isthmus.dimse_scu.responses import find


class FindWork:
    """Answers `dicom.query` of one origin."""

    def __init__(self, pool: AssociationPool, origin: Origin) -> None:
        self._pool = pool
        self._origin = origin

    async def __call__(self, query: Query, writer: MatchWriter) -> None:
        """Search; the writer gets only what does match, in the origin's order.

        Cancelling this task sends C-CANCEL.

        Raises:
            OriginError: the origin failed; what was written until then is not the whole.
        """
        matcher = Matcher(query.keys, fuzzy=query.fuzzy)
        identifier = find_identifier(query, self._origin.character_set)
        async with aclosing(self._matches(query, identifier)) as matches:
            async for match in matches:
                if matcher.matches(match):
                    await writer.add(match)

    async def _matches(self, query: Query, identifier: Dataset) -> AsyncGenerator[DicomJson, None]:
        """Give the origin's matches; what it left out of a study is asked for before the study is judged."""
        held_back: list[DicomJson] = []
        async with aclosing(find(self._pool, identifier)) as matches:
            async for match in matches:
                # One association may be all there is: the gaps are filled when this one is free again.
                if held_back or needs_completing(query, match):
                    held_back.append(match)
                else:
                    yield match
        for match in held_back:
            yield await complete_study(self._pool, query, match)
