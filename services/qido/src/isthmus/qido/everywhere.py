"""Searching all origins as one: each is asked at the same time, and their matches become one list.

All are those that the client may search: of others nothing is asked, and nothing of an answer tells of them.

The list has the matches of the first origin of the settings, in its order, then those of the second that the
first has not, and so on: so it stays the same from page to page, as long as the same origins answer.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from isthmus.common.config import Origin
from isthmus.common.dicom.json_model import DicomJson
from isthmus.common.dicom.levels import Level
from isthmus.common.dicom.matching import MatchingKey
from isthmus.common.dicom.search_attributes import UNIQUE_KEYS
from isthmus.common.dicomweb import ALL
from isthmus.common.errors import TooManyMatches
from isthmus.common.federation import Answers, ask_all
from isthmus.common.federation.merged import Merged, MergedMatch
from isthmus.common.federation.turns import in_turns
from isthmus.qido.parameters import SearchParameters
from isthmus.qido.plan import Scope
from isthmus.qido.search import Finder
from isthmus.qido.settings import QidoSettings
from isthmus.qido.window import Filling, Found, Window

UIDS_AT_ONCE: Final = 100
"""Studies by which an origin is asked in one query."""
MOST_BEFORE: Final = 50_000
"""Matches before a page: of each origin those up to its end are in memory, to be merged."""
_STUDY: Final = (UNIQUE_KEYS[Level.STUDY],)


@dataclass(frozen=True, slots=True)
class EverySearch:
    """Searches one origin, or all of them."""

    settings: QidoSettings
    one: Finder
    """Searches one."""

    async def find(self, scope: Scope, parameters: SearchParameters, window: Window) -> Found:
        """Search.

        Raises:
            TooManyMatches: the page of several origins is too far away.
            IsthmusError: what `one` raises; of several origins, only if none of them answers.
        """
        if scope.origin != ALL:
            return await self.one(scope, parameters, window)
        if len(scope.permits) == 1:
            return await self._find_at_the_only_one(scope, parameters, window)
        if window.offset > MOST_BEFORE:
            raise TooManyMatches(f"A page of all origins at once has {MOST_BEFORE} matches before it at most")
        answers = await self._ask(scope, parameters, Window(window.offset + window.limit))
        if answers.silent and not answers.heard:
            answers.silent[0].fail()
        merged = Merged(scope.level)
        for origin, found in answers.heard:
            await merged.add(origin.name, found.matches)
        page, matches = await _page(merged, scope.level, window)
        cut = [origin for origin, found in answers.heard if found.more]
        unheard = bool(answers.silent or cut)
        if scope.level is Level.STUDY:
            unheard = not await self._complete(merged, matches, cut, scope, parameters) or bool(
                answers.silent
            )
        return replace(
            page,
            matches=[match.attributes(self.settings.origins) async for match in in_turns(matches)],
            more=bool(page.more or cut),
            remaining=None if cut else page.remaining,
            warnings=(
                *(silence.warning for silence in answers.silent),
                *(warning for _, found in answers.heard for warning in found.warnings),
            ),
            # Who was not heard of a match may have a part of it: it is retrieved from wherever it is.
            origins=tuple(ALL if unheard else _origin_of(match) for match in matches),
        )

    async def _find_at_the_only_one(
        self, scope: Scope, parameters: SearchParameters, window: Window
    ) -> Found:
        (name,) = scope.permits
        found = await self.one(scope.at(name), parameters, window)
        matches = [
            MergedMatch({name: match}).attributes(self.settings.origins)
            async for match in in_turns(found.matches)
        ]
        return replace(found, matches=matches, origins=(name,) * len(matches))

    async def _ask(self, scope: Scope, parameters: SearchParameters, window: Window) -> Answers[Found]:
        async def ask(origin: Origin) -> Found:
            return await self.one(scope.at(origin.name), parameters, window)

        return await ask_all([self.settings.origin(name) for name in scope.permits], ask)

    async def _complete(
        self,
        merged: Merged,
        page: Sequence[MergedMatch],
        cut: Sequence[Origin],
        scope: Scope,
        parameters: SearchParameters,
    ) -> bool:
        """Ask the origins that have more studies than were wanted whether they have those of the page too.

        Tell whether all of them answered.
        """
        others = tuple(key for key in parameters.keys if key.path != _STUDY)

        async def ask(origin: Origin) -> list[DicomJson]:
            uids = [match.study for match in page if origin.name not in match.by_origin and match.study]
            found: list[DicomJson] = []
            for start in range(0, len(uids), UIDS_AT_ONCE):
                some = uids[start : start + UIDS_AT_ONCE]
                narrowed = replace(parameters, keys=(*others, MatchingKey(_STUDY, tuple(some))))
                answer = await self.one(scope.at(origin.name), narrowed, Window(len(some)))
                found += answer.matches
            return found

        # What one of them does not say is only a second copy of what is found.
        answers = await ask_all(cut, ask)
        for origin, matches in answers.heard:
            await merged.describe(origin.name, matches)
        return not answers.silent


async def _page(merged: Merged, level: Level, window: Window) -> tuple[Found, list[MergedMatch]]:
    filling = Filling(window, level)
    by_match = {}
    async for match in in_turns(merged.all()):
        first = next(iter(match.by_origin.values()))
        by_match[id(first)] = match
        filling.add(first)
    found = filling.found(more=filling.surplus > 0, remaining=filling.surplus)
    return found, [by_match[id(match)] for match in found.matches]


def _origin_of(match: MergedMatch) -> str:
    """Name the origin at which all of a match can be retrieved: of several, each may have a part only."""
    return next(iter(match.by_origin)) if len(match.by_origin) == 1 else ALL
