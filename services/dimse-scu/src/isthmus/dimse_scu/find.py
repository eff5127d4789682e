"""C-FIND: the matches of a query, filtered and completed where the origin fell short (PS3.4 C.4.1)."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Final

from pydicom import Dataset

from isthmus.common.bus import MatchWriter
from isthmus.common.config import Origin
from isthmus.common.dicom.json_model import DicomJson
from isthmus.common.dicom.matching import Matcher
from isthmus.common.dimse import AssociationPool
from isthmus.common.errors import TooManyMatches
from isthmus.common.messages import Query
from isthmus.dimse_scu.complete import complete_study, needs_completing
from isthmus.dimse_scu.identifier import find_identifier
from isthmus.dimse_scu.responses import find

HELD_BACK_AT_MOST: Final = 20_000
"""Studies that wait in memory to be completed: more than a search gives unless it is told otherwise."""


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
            TooManyMatches: there are more matches to be completed than there is room for.
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
        too_many = False
        async with aclosing(find(self._pool, identifier)) as matches:
            async for match in matches:
                # One association may be all there is: the gaps are filled when this one is free again.
                if len(held_back) == HELD_BACK_AT_MOST:
                    too_many = True
                    break
                if held_back or needs_completing(query, match):
                    held_back.append(match)
                else:
                    yield match
        for match in held_back:
            yield await complete_study(self._pool, query, match)
        if too_many:
            # Who wanted no more has left by now.
            raise TooManyMatches(
                f"The origin leaves out what was asked for of more than {HELD_BACK_AT_MOST} studies: "
                "match more attributes"
            )
