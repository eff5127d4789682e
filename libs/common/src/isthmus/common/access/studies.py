"""Whether a permit is for a study of an origin: asked of the origin, and remembered for a while.

What is remembered only ever lets somebody see a study. Before one is said not to be there its origin is
asked anew: so a study that has changed is found, and one that is hidden is no sooner told of than none.
"""

from collections.abc import AsyncGenerator, Collection, Iterable, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Final

from isthmus.common.access.filters import (
    ASKED_OF_SERIES,
    OF_ALL_STUDIES,
    SeriesFacts,
    StudyFacts,
    asked_of_studies,
    is_out_of_reach,
    is_seen,
    with_narrowing,
)
from isthmus.common.access.remembered import Remembered
from isthmus.common.auth import Permit, acting_as
from isthmus.common.bus import Bus, search
from isthmus.common.bus.fan_out import fan_out
from isthmus.common.config import Inbox, S3Origin, Settings
from isthmus.common.dicom.attributes import AttributePath, tags_of
from isthmus.common.dicom.json_model import DicomJson
from isthmus.common.dicom.levels import Level
from isthmus.common.dicom.matching import MatchingKey
from isthmus.common.dicom.search_attributes import UNIQUE_KEYS, uid_of
from isthmus.common.errors import NoSuchObject, TooManyMatches
from isthmus.common.messages import Query

REMEMBERED: Final = 20_000
"""Studies."""
AT_ONCE: Final = 3
"""Queries to one origin at the same time: less than the associations that it has by default."""
UIDS_AT_ONCE: Final = 100
"""Studies whose series are asked for by one query, where an origin takes a list."""
HELD_BACK_AT_MOST: Final = 20_000
"""Matches that wait in memory for what their series tell."""
HIDDEN_AT_MOST: Final = 100_000
"""Matches of one query that are looked at and not seen."""
_UID: Final = (UNIQUE_KEYS[Level.STUDY],)
_FACTS: Final[tuple[AttributePath, ...]] = (
    _UID,
    *((tag,) for tag in tags_of(("StudyDate", "AccessionNumber", "ModalitiesInStudy", "InstitutionName"))),
)

_Place = tuple[str, str]
"""An origin, and the Study Instance UID of one of its studies."""


class Studies:
    """What is known of studies, for all who ask in this process."""

    def __init__(self, bus: Bus, fresh_seconds: float, taking_lists: Collection[str] = ()) -> None:
        """Know nothing yet.

        Args:
            bus: where origins are asked.
            fresh_seconds: for how long what an origin told is taken to be still so.
            taking_lists: the origins that tell the series of several studies by one query: our own stores. Of
                others it is not to be expected (PS3.4 C.4.1.2.1).
        """
        self._bus = bus
        self._taking_lists = frozenset(taking_lists)
        self._studies = Remembered(self._ask_studies, fresh_seconds, REMEMBERED)
        self._series = Remembered(self._ask_series, fresh_seconds, REMEMBERED)

    @classmethod
    def of(cls, bus: Bus, settings: Settings) -> "Studies":
        """Take what is needed out of the settings."""
        lists = [origin.name for origin in settings.origins if isinstance(origin, Inbox | S3Origin)]
        return cls(bus, settings.cache.fresh_seconds, lists)

    async def require(self, permit: Permit, origin: str, study: str) -> None:
        """See that a permit is for a study of an origin.

        Raises:
            NoSuchObject: it is not, or there is no such study.
            OriginError: the origin does not tell.
            UnavailableError: a part of ours is away.
        """
        if not await self.sees(permit, origin, study):
            raise NoSuchObject(f"{origin!r} has no such object")

    async def sees(self, permit: Permit, origin: str, study: str) -> bool:
        """Tell whether a permit is for a study of an origin; by filters no study is seen that is not there.

        Raises:
            OriginError: the origin does not tell.
            UnavailableError: a part of ours is away.
        """
        if permit.study is not None and permit.study != study:
            return False
        if not permit.filters:
            return True
        place = (origin, study)
        known = self._studies.known(place)
        if known and all([await self._is_seen(permit, origin, one) for one in known]):
            return True
        # Of two studies of the same UID, which there should not be, nobody could tell apart what is read.
        facts = await self._studies.anew(place)
        told = [is_seen(permit, one) for one in facts]
        # Where rules ask for what series tell those are asked in any case: by how long it takes, too, a study
        # that is hidden is as one that is not there.
        if None in told or any(one.institution for one in permit.filters):
            series = await self._series.anew(place)
            told = [is_seen(permit, one, series) for one in facts]
        return bool(told) and all(told)

    async def seen(self, permit: Permit, query: Query, *, most: int) -> AsyncGenerator[DicomJson, None]:
        """Give those matches of a query for studies that a permit is for, in the origin's order.

        Where that is not every study, how much else there is of a patient is not told, and not matched.

        Args:
            permit: what may be seen of the origin.
            query: at STUDY level; what it asks to be returned is returned, and some more.
            most: of the studies whose series have to be asked.

        Raises:
            TooManyMatches: more would have to be asked, or looked at, before there were enough.
            OriginError: the origin failed.
            UnavailableError: a part of ours is away.
        """
        if query.level is not Level.STUDY:
            raise ValueError("only studies can be told apart by their own attributes")
        if permit.is_whole:
            async with search(self._bus, query) as matches:
                async for match in matches:
                    yield match
            return
        if is_out_of_reach(query.keys, permit):
            return
        held: list[DicomJson] = []
        asking, hidden, is_cut = 0, 0, False
        async with search(self._bus, _judgeable(query, permit)) as matches:
            async for told_match in matches:
                match = {tag: element for tag, element in told_match.items() if tag not in OF_ALL_STUDIES}
                told = is_seen(permit, StudyFacts.of(match))
                if told is False:
                    hidden += 1
                elif told and not held:
                    yield match
                    continue
                else:
                    # The origin may allow one association: its series are asked when this one is free again.
                    held.append(match)
                    asking += told is None
                is_cut = asking > most or len(held) > HELD_BACK_AT_MOST or hidden > HIDDEN_AT_MOST
                if is_cut:
                    break
        async with aclosing(self._judged(permit, query.origin, held[:-1] if is_cut else held)) as judged:
            async for match in judged:
                yield match
        if is_cut:
            raise TooManyMatches(
                "It would take too much to tell which studies may be seen: match more attributes, or give a"
                " limit"
            )

    async def _judged(
        self, permit: Permit, origin: str, held: Sequence[DicomJson]
    ) -> AsyncGenerator[DicomJson, None]:
        at_once = UIDS_AT_ONCE if origin in self._taking_lists else AT_ONCE

        async def judge(match: DicomJson) -> bool:
            return await self._is_seen(permit, origin, StudyFacts.of(match))

        for start in range(0, len(held), UIDS_AT_ONCE):
            some = held[start : start + UIDS_AT_ONCE]
            if origin in self._taking_lists:
                await self._ask_series_of(origin, (uid_of(match, Level.STUDY) for match in some))
            async with fan_out(some, judge, at_once) as judged:
                async for match, is_permitted in judged:
                    if is_permitted:
                        yield match

    async def _is_seen(self, permit: Permit, origin: str, study: StudyFacts) -> bool:
        told = is_seen(permit, study)
        if told is None and study.study:
            told = is_seen(permit, study, await self._series.get((origin, study.study)))
        return bool(told)

    async def _ask_studies(self, place: _Place) -> tuple[StudyFacts, ...]:
        origin, study = place
        found = await self._matches(Query(origin, Level.STUDY, (MatchingKey(_UID, (study,)),), _FACTS))
        facts = (StudyFacts.of(match) for match in found)
        return tuple(one for one in facts if one.study == study)

    async def _ask_series(self, place: _Place) -> SeriesFacts:
        origin, study = place
        found = await self._matches(_query_of_series(origin, study))
        return SeriesFacts.of(match for match in found if uid_of(match, Level.STUDY) in ("", study))

    async def _ask_series_of(self, origin: str, studies: Iterable[str]) -> None:
        """Ask for the series of several studies at once, those that are not known."""
        unknown = [uid for uid in dict.fromkeys(studies) if uid and self._series.known((origin, uid)) is None]
        if not unknown:
            return
        with acting_as(None):
            found = await self._matches(_query_of_series(origin, *unknown))
        by_study: dict[str, list[DicomJson]] = {uid: [] for uid in unknown}
        for match in found:
            by_study.get(uid_of(match, Level.STUDY), []).append(match)
        for uid, series in by_study.items():
            self._series.note((origin, uid), SeriesFacts.of(series))

    async def _matches(self, query: Query) -> list[DicomJson]:
        async with search(self._bus, query) as matches:
            return [match async for match in matches]


def _query_of_series(origin: str, *studies: str) -> Query:
    return Query(origin, Level.SERIES, (MatchingKey(_UID, studies),), (_UID, *ASKED_OF_SERIES))


def _judgeable(query: Query, permit: Permit) -> Query:
    """Have a query tell by what its matches are judged, and leave out what is not seen as far as it can."""
    asked = dict.fromkeys((*query.return_keys, *asked_of_studies(permit)))
    keys = tuple(key for key in query.keys if OF_ALL_STUDIES.isdisjoint(key.path))
    return replace(
        query,
        keys=with_narrowing(keys, permit),
        return_keys=tuple(path for path in asked if OF_ALL_STUDIES.isdisjoint(path)),
    )
