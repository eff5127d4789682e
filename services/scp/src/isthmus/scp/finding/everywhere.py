"""All origins as one, searched for DIMSE clients as `/dicomweb` is for others.

C-FIND has no place for a warning: that an origin does not answer is a failure here, told after the matches of
the others, which must not be taken for all.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from functools import partial
from typing import Final

from isthmus.common.access.studies import Studies
from isthmus.common.auth import Permit
from isthmus.common.bus import Bus, search
from isthmus.common.config import Origin
from isthmus.common.dicom.json_model import DicomJson
from isthmus.common.dicom.levels import Level
from isthmus.common.dicom.search_attributes import UNIQUE_KEYS
from isthmus.common.dicomweb.resource import ALL
from isthmus.common.errors import NoSuchObject, TooManyMatches
from isthmus.common.federation import ask_all
from isthmus.common.federation.merged import Merged
from isthmus.common.federation.turns import in_turns
from isthmus.common.messages import Query

_STUDY: Final = (UNIQUE_KEYS[Level.STUDY],)
MOST_MATCHES: Final = 50_000
"""Of one origin: they are in memory, to be merged."""


Search = Callable[[Query], AbstractAsyncContextManager[AsyncIterator[DicomJson]]]
"""Gives the matches of a query, of one origin or of all; see `Searcher.search`."""


class Searcher:
    """Searches one origin, or all of them."""

    def __init__(self, bus: Bus, origins: Sequence[Origin], studies: Studies, most_asked: int) -> None:
        """Prepare.

        Args:
            bus: where they are asked.
            origins: all, in the order of the settings.
            studies: whether a permit is for a study.
            most_asked: studies at most of one search whose series are asked for that.
        """
        self._bus = bus
        self._origins = {origin.name: origin for origin in origins}
        self._studies = studies
        self._most_asked = most_asked

    def seen_with(self, permits: Mapping[str, Permit]) -> Search:
        """Give what searches for somebody with these permits, by the names of the origins."""
        return partial(self.search, permits)

    @asynccontextmanager
    async def search(
        self, permits: Mapping[str, Permit], query: Query
    ) -> AsyncIterator[AsyncIterator[DicomJson]]:
        """Give the matches of a query, as `isthmus.common.bus.search` does; each entity once.

        What the permits are not for does not match, and is not counted.

        The iteration raises what a search of one origin raises, and TooManyMatches where one of several has
        more than can be merged.
        """
        found = self._merged(permits, query) if query.origin == ALL else self._seen(permits, query)
        async with aclosing(found) as matches:
            yield matches

    async def _seen(self, permits: Mapping[str, Permit], query: Query) -> AsyncGenerator[DicomJson, None]:
        permit = permits[query.origin]
        if permit.is_whole:
            async with search(self._bus, query) as matches:
                async for match in matches:
                    yield match
            return
        if query.level is Level.STUDY:
            async with aclosing(self._studies.seen(permit, query, most=self._most_asked)) as matches:
                async for match in matches:
                    yield match
            return
        # A query below names the entities above it by their UIDs.
        named = next((key.values for key in query.keys if key.path == _STUDY), ())
        if named and all([await self._studies.sees(permit, query.origin, study) for study in named]):
            async with search(self._bus, query) as matches:
                async for match in matches:
                    yield match

    async def _merged(self, permits: Mapping[str, Permit], query: Query) -> AsyncGenerator[DicomJson, None]:
        async def ask(origin: Origin) -> list[DicomJson]:
            return await self._collected(permits, origin.name, query)

        known = [origin for origin in self._origins.values() if origin.name in permits]
        answers = await ask_all(known, ask)
        merged = Merged(query.level)
        for origin, matches in answers.heard:
            await merged.add(origin.name, matches)
        async for match in in_turns(merged.all()):
            yield match.attributes(self._origins)
        for silence in answers.silent:
            silence.fail()

    async def _collected(self, permits: Mapping[str, Permit], origin: str, query: Query) -> list[DicomJson]:
        collected: list[DicomJson] = []
        one = Query(origin, query.level, query.keys, query.return_keys, query.fuzzy)
        try:
            async with aclosing(self._seen(permits, one)) as matches:
                async for match in matches:
                    if len(collected) >= MOST_MATCHES:
                        raise TooManyMatches(f"{origin!r} has more than {MOST_MATCHES} matches")
                    collected.append(match)
        except NoSuchObject:
            return collected
        return collected
