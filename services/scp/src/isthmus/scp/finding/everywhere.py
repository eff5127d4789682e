"""All origins as one, searched for DIMSE clients as `/dicomweb` is for others.

C-FIND has no place for a warning: that an origin does not answer is a failure here, told after the matches of
the others, which must not be taken for all.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from typing import Final

from isthmus.common.bus import Bus, search
from isthmus.common.config import Origin
from isthmus.common.dicom.json_model import DicomJson
from isthmus.common.dicomweb.resource import ALL
from isthmus.common.errors import NoSuchObject, TooManyMatches
from isthmus.common.federation import ask_all
from isthmus.common.federation.merged import Merged
from isthmus.common.federation.turns import in_turns
from isthmus.common.messages import Query

MOST_MATCHES: Final = 50_000
"""Of one origin: they are in memory, to be merged."""


Search = Callable[[Query], AbstractAsyncContextManager[AsyncIterator[DicomJson]]]
"""Gives the matches of a query, of one origin or of all; see `Searcher.search`."""


class Searcher:
    """Searches one origin, or all of them."""

    def __init__(self, bus: Bus, origins: Sequence[Origin]) -> None:
        """Prepare.

        Args:
            bus: where they are asked.
            origins: all, in the order of the settings.
        """
        self._bus = bus
        self._origins = {origin.name: origin for origin in origins}

    @asynccontextmanager
    async def search(self, query: Query) -> AsyncIterator[AsyncIterator[DicomJson]]:
        """Give the matches of a query, as `isthmus.common.bus.search` does; each entity once.

        The iteration raises what a search of one origin raises, and TooManyMatches where one of several has
        more than can be merged.
        """
        if query.origin != ALL:
            async with search(self._bus, query) as matches:
                yield matches
            return
        async with aclosing(self._merged(query)) as matches:
            yield matches

    async def _merged(self, query: Query) -> AsyncGenerator[DicomJson, None]:
        async def ask(origin: Origin) -> list[DicomJson]:
            return await self._collected(origin.name, query)

        answers = await ask_all(list(self._origins.values()), ask)
        merged = Merged(query.level)
        for origin, matches in answers.heard:
            await merged.add(origin.name, matches)
        async for match in in_turns(merged.all()):
            yield match.attributes(self._origins)
        for silence in answers.silent:
            silence.fail()

    async def _collected(self, origin: str, query: Query) -> list[DicomJson]:
        collected: list[DicomJson] = []
        one = Query(origin, query.level, query.keys, query.return_keys, query.fuzzy)
        try:
            async with search(self._bus, one) as matches:
                async for match in matches:
                    if len(collected) >= MOST_MATCHES:
                        raise TooManyMatches(f"{origin!r} has more than {MOST_MATCHES} matches")
                    collected.append(match)
        except NoSuchObject:
            return collected
        return collected
