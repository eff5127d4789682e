"""What an origin leaves out of the studies of a page, asked of their series (PS3.18 Table 10.6.3-3)."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from isthmus.common.bus import Bus, search
from isthmus.common.bus.fan_out import fan_out
from isthmus.common.dicom.json_model import DicomJson
from isthmus.common.dicom.levels import Level
from isthmus.common.dicom.matching import MatchingKey
from isthmus.common.dicom.search_attributes import UNIQUE_KEYS, uid_of
from isthmus.common.dicom.summaries import ASKED, lacking, summed_up
from isthmus.common.errors import OperationFailed
from isthmus.common.messages import Query
from isthmus.common.telemetry import get_logger

AT_ONCE: Final = 3
"""Queries at the same time: less than the associations an origin has by default."""
COMPLETING_SECONDS: Final = 10.0
"""After so long the others stay as they are: their page is there."""

log = get_logger(__name__)


@dataclass(slots=True)
class Completing:
    """Completes the studies of one answer."""

    bus: Bus
    origin: str
    wanted: frozenset[str]
    """The attributes that an answer has, of those that series tell."""
    most: int
    """Of the studies whose series are asked; the others stay as they are."""
    _lacking: dict[str, frozenset[str]] = field(default_factory=dict)
    _told: dict[str, DicomJson] = field(default_factory=dict)
    _never_told: set[frozenset[str]] = field(default_factory=set)
    """What the series of one study did not tell, those of the next do not tell either."""

    def look_at(self, match: DicomJson) -> None:
        """Take note of what a match lacks; each of those that are completed has to be looked at."""
        lacks = lacking(match, self.wanted)
        if lacks:
            self._lacking[uid_of(match, Level.STUDY)] = lacks

    async def complete(self, matches: Sequence[DicomJson]) -> list[DicomJson]:
        """Fill in what the studies lack, or those that the matches belong to.

        Raises:
            OriginError: the origin failed; where it only refuses to list a study, that one stays as it is.
            UnavailableError: one of our own parts did.
        """
        if not self._lacking:
            return list(matches)
        studies = dict.fromkeys(uid_of(match, Level.STUDY) for match in matches)
        asked = [(study, self._lacking[study]) for study in studies if study and study in self._lacking]
        asked = asked[: self.most]
        try:
            async with (
                asyncio.timeout(COMPLETING_SECONDS),
                fan_out(asked, self._ask, AT_ONCE) as asking,
            ):
                async for _ in asking:
                    pass
        except TimeoutError:
            log.info("studies not completed", origin=self.origin, asked=len(asked), told=len(self._told))
        return [{**match, **self._told.get(uid_of(match, Level.STUDY), {})} for match in matches]

    async def _ask(self, study: tuple[str, frozenset[str]]) -> None:
        uid, lacks = study
        if lacks in self._never_told:
            return
        keys = (MatchingKey((UNIQUE_KEYS[Level.STUDY],), (uid,)),)
        try:
            async with search(self.bus, Query(self.origin, Level.SERIES, keys, ASKED)) as matches:
                series = [match async for match in matches]
        except OperationFailed as error:
            log.info("series not listed", origin=self.origin, detail=error.detail)
            return
        told = summed_up(uid, series, lacks)
        self._told[uid] = told
        # One without series, or whose series the origin keeps to itself, says nothing about the next.
        if series and not any(element.get("Value") for element in told.values()):
            self._never_told.add(lacks)
