"""C-FIND: the matches of a query, filtered where the origin fell short (PS3.4 C.4.1)."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from typing import Final

from isthmus.common.bus import MatchWriter
from isthmus.common.config import DimseOrigin, Quirk
from isthmus.common.dicom.json_model import DicomJson
from isthmus.common.dicom.json_values import first_text
from isthmus.common.dicom.matching import Matcher
from isthmus.common.dicom.summaries import judged_by, needs_completing
from isthmus.common.dimse import AssociationPool
from isthmus.common.errors import TooManyMatches
from isthmus.common.messages import Query
from isthmus.dimse_scu.availability import INSTANCE_AVAILABILITY, Availability
from isthmus.dimse_scu.complete import complete_study
from isthmus.dimse_scu.identifier import find_identifier
from isthmus.dimse_scu.responses import find

HELD_BACK_AT_MOST: Final = 20_000
"""Studies that wait in memory to be judged: more than a search gives unless it is told otherwise."""
_STUDY: Final = "0020000D"


class FindWork:
    """Answers `dicom.query` of one origin."""

    def __init__(self, pool: AssociationPool, origin: DimseOrigin) -> None:
        self._pool = pool
        self._origin = origin
        self._availability = Availability(pool)

    async def __call__(self, query: Query, writer: MatchWriter) -> None:
        """Search; the writer gets only what does match, in the origin's order.

        Cancelling this task sends C-CANCEL.

        Raises:
            OriginError: the origin failed; what was written until then is not the whole.
            TooManyMatches: more studies lack what they are judged by than there is room for.
        """
        matcher = Matcher(query.keys, fuzzy=query.fuzzy)
        counts = Quirk.WRONG_COUNTS not in self._origin.quirks
        judged = judged_by(query.level, query.keys, counts=counts)
        async with aclosing(self._found(query, matcher, judged)) as matches:
            async for match in matches:
                if matcher.matches(match):
                    await writer.add(match)

    async def _found(
        self, query: Query, matcher: Matcher, judged: frozenset[str]
    ) -> AsyncGenerator[DicomJson, None]:
        """Give what the origin finds; where a study lacks what it is judged by, its series tell it first."""
        held_back: list[DicomJson] = []
        too_many = False
        async with aclosing(self._matches(query)) as matches:
            async for match in matches:
                # One association may be all there is: the gaps are filled when this one is free again.
                if len(held_back) == HELD_BACK_AT_MOST:
                    too_many = True
                    break
                if not needs_completing(match, judged):
                    if held_back:
                        held_back.append(match)
                    else:
                        yield match
                elif matcher.matches({tag: match[tag] for tag in match if tag not in judged}):
                    held_back.append(match)
        for match in held_back:
            yield (
                await complete_study(self._pool, match, judged) if needs_completing(match, judged) else match
            )
        if too_many:
            # Who wanted no more has left by now.
            raise TooManyMatches(
                f"The origin leaves out what is to be matched of more than {HELD_BACK_AT_MOST} studies: "
                "match more attributes"
            )

    async def _matches(self, query: Query) -> AsyncGenerator[DicomJson, None]:
        """Give the origin's matches as they are."""
        if not self._availability.told:
            others = tuple(path for path in query.return_keys if path != (INSTANCE_AVAILABILITY,))
            query = replace(query, return_keys=others)
        identifier = find_identifier(query, self._origin.character_set)
        study = ""
        async with aclosing(find(self._pool, identifier)) as matches:
            async for match in matches:
                study = study or first_text(match, _STUDY)
                yield match
        await self._availability.try_with(study)
