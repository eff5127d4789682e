"""Searches over several levels of a server that does one at a time, from the top down (PS3.4 C.4.1.3)."""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import replace
from typing import Final

from isthmus.common.bus.fan_out import fan_out
from isthmus.common.dicom.attributes import tag_of
from isthmus.common.dicom.json_model import DicomJson
from isthmus.common.dicom.levels import Level
from isthmus.common.dicom.matching import Matcher, MatchingKey, Wanted
from isthmus.common.dicom.search_attributes import UNIQUE_KEYS, level_of, uid_of
from isthmus.common.errors import TooManyMatches
from isthmus.common.messages import Query
from isthmus.web_scu.dicomweb.resources import named_uids

Ask = Callable[[Query], AsyncGenerator[DicomJson, None]]

_MODALITY: Final = (tag_of("Modality"),)
_MODALITIES_IN_STUDY: Final = (tag_of("ModalitiesInStudy"),)


class Parents:
    """The studies, or the series of a study, that a relational query is repeated for."""

    def __init__(self, query: Query, most: int) -> None:
        """Take it apart.

        Args:
            query: below STUDY, and not confined to one series of one study.
            most: of the parents.
        """
        self._query = query
        self._most = most
        is_in_study = query.level is Level.IMAGE and bool(named_uids(query, Level.STUDY))
        self._level = Level.SERIES if is_in_study else Level.STUDY

    async def children(self, ask: Ask, at_once: int) -> AsyncGenerator[DicomJson, None]:
        """Give the matches of the query, each with what is known of the level above.

        Args:
            ask: gives what a server finds for a query of one level.
            at_once: how many parents are looked into at the same time.

        Raises:
            OriginError: the server failed; what was given until then is not the whole.
            TooManyMatches: there are more parents than may be asked.
        """

        async def look_into(parent: DicomJson) -> list[DicomJson]:
            async with aclosing(ask(self._child_query(parent))) as found:
                return [dict(sorted({**parent, **match}.items())) async for match in found]

        async with fan_out(self._parents(ask), look_into, at_once) as families:
            async for _, family in families:
                for match in family:
                    yield match

    async def _parents(self, ask: Ask) -> AsyncGenerator[DicomJson, None]:
        query = self._parent_query()
        matcher = Matcher(query.keys, fuzzy=query.fuzzy)
        seen: set[str] = set()
        async with aclosing(ask(query)) as found:
            async for parent in found:
                uid = uid_of(parent, self._level)
                if not uid or uid in seen or not matcher.matches(parent):
                    continue
                if len(seen) == self._most:
                    raise TooManyMatches(
                        f"The search would have to look into more than {self._most} resources of the "
                        f"{self._level.value} level: match more attributes"
                    )
                seen.add(uid)
                yield parent

    def _parent_query(self) -> Query:
        keys = [key for key in self._query.keys if level_of(key.path[0]) <= self._level]
        if self._level is Level.STUDY and not any(key.path == _MODALITIES_IN_STUDY for key in keys):
            keys += [
                MatchingKey(_MODALITIES_IN_STUDY, key.values)
                for key in self._query.keys
                if key.path == _MODALITY and key.wanted is Wanted.ANY
            ]
        returned = tuple(path for path in self._query.return_keys if level_of(path[0]) <= self._level)
        return replace(self._query, level=self._level, keys=tuple(keys), return_keys=returned)

    def _child_query(self, parent: DicomJson) -> Query:
        above = [
            MatchingKey((tag,), (uid,))
            for level, tag in UNIQUE_KEYS.items()
            if level <= self._level and (uid := uid_of(parent, level))
        ]
        if self._level is Level.SERIES and not uid_of(parent, Level.STUDY):
            above += [key for key in self._query.keys if key.path == (UNIQUE_KEYS[Level.STUDY],)]
        keys = [key for key in self._query.keys if self._level < level_of(key.path[0])]
        returned = tuple(path for path in self._query.return_keys if self._level < level_of(path[0]))
        return replace(self._query, keys=(*above, *keys), return_keys=returned)
