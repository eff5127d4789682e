"""What a server leaves out of a study, asked of its series (PS3.18 Table 10.6.3-3)."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Final

from isthmus.common.bus.fan_out import fan_out
from isthmus.common.dicom.json_model import DicomJson
from isthmus.common.dicom.json_values import first_text
from isthmus.common.dicom.levels import Level
from isthmus.common.dicom.matching import Matcher, MatchingKey
from isthmus.common.dicom.search_attributes import UNIQUE_KEYS
from isthmus.common.dicom.summaries import ASKED, SUMMED_UP, completed, judged_by, lacking, needs_completing
from isthmus.common.errors import HttpOperationFailed, MalformedAnswer
from isthmus.common.messages import Query
from isthmus.common.telemetry import get_logger

COMPLETING_SECONDS: Final = 5.0
"""After so long what nobody matches stays as it is: the matches are there."""
_STUDY: Final = UNIQUE_KEYS[Level.STUDY]

log = get_logger(__name__)

Ask = Callable[[Query], AsyncGenerator[DicomJson, None]]


@dataclass(slots=True)
class Completing:
    """Completes the studies of one search."""

    query: Query
    ask: Ask
    """Gives what the server finds."""
    at_once: int
    _judged: frozenset[str] = field(init=False)
    """What the query matches of it: without it nobody knows whether a study matches."""
    _returned: frozenset[str] = field(init=False)
    _matcher: Matcher = field(init=False)
    _until: float | None = None
    _never_told: set[frozenset[str]] = field(default_factory=set)
    """What the series of one study did not tell, those of the next do not tell either."""

    def __post_init__(self) -> None:
        """Work out what is of interest."""
        query = self.query
        self._judged = judged_by(query.level, query.keys)
        asked = {path[0] for path in query.return_keys}
        self._returned = SUMMED_UP & asked if query.level is Level.STUDY else frozenset()
        self._matcher = Matcher(query.keys, fuzzy=query.fuzzy)

    async def complete(self, matches: AsyncIterable[DicomJson]) -> AsyncGenerator[DicomJson, None]:
        """Give the studies in their order, each with what its series tell of what it lacks.

        Raises:
            OriginError: the server failed; what it does not tell of a study that is only returned stays out.
        """
        left = aiter(matches)
        # Most servers leave out nothing, and matches go as they come.
        async for study in left:
            if needs_completing(study, self._judged | self._returned):
                break
            yield study
        else:
            return

        async def others() -> AsyncGenerator[DicomJson, None]:
            yield study
            async for other in left:
                yield other

        async with fan_out(others(), self._complete, self.at_once) as studies:
            async for _, completed_study in studies:
                yield completed_study

    async def _complete(self, study: DicomJson) -> DicomJson:
        wanted = self._judged | self._returned
        if not needs_completing(study, wanted):
            return study
        if not self._matcher.matches({tag: study[tag] for tag in study if tag not in self._judged}):
            return study
        if lacking(study, self._judged):
            return completed(study, await self._series(study), wanted)
        return await self._embellish(study)

    async def _embellish(self, study: DicomJson) -> DicomJson:
        """Fill in what is only returned, if that is to be had soon."""
        lacks = lacking(study, self._returned)
        now = asyncio.get_running_loop().time()
        self._until = self._until or now + COMPLETING_SECONDS
        if now > self._until or lacks in self._never_told:
            return study
        try:
            async with asyncio.timeout_at(self._until):
                series = await self._series(study)
        except (TimeoutError, HttpOperationFailed, MalformedAnswer) as error:
            log.info("study not completed", origin=self.query.origin, error=type(error).__name__)
            return study
        told = completed(study, series, lacks)
        # One without series, or whose series the origin keeps to itself, says nothing about the next.
        if series and lacking(told, lacks) == lacks:
            self._never_told.add(lacks)
        return told

    async def _series(self, study: DicomJson) -> list[DicomJson]:
        uid = first_text(study, _STUDY)
        keys = (MatchingKey((_STUDY,), (uid,)),)
        async with aclosing(self.ask(Query(self.query.origin, Level.SERIES, keys, ASKED))) as series:
            return [one async for one in series]
