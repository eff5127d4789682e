"""Which instances an origin has of a study, by what it holds in the catalogue or by C-FIND (PS3.4 C.4.1)."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from isthmus.common.bus import Bus, end_tasks, search
from isthmus.common.dicom.levels import Level
from isthmus.common.dicom.matching import MatchingKey
from isthmus.common.dicom.search_attributes import UNIQUE_KEYS
from isthmus.common.errors import NotDelivered
from isthmus.common.federation.whereabouts import Contents
from isthmus.common.messages import Query, Retrieve
from isthmus.common.retrieval import Manifest

AT_ONCE: Final = 3
"""Queries to one origin at the same time: less than the associations that it has by default."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One origin, asked for one study."""

    bus: Bus
    origin: str
    study: str

    async def has_it(self) -> bool:
        """Tell whether it has anything of the study.

        Raises:
            OriginError: the origin failed.
            UnavailableError: a part of ours is away.
        """
        return bool(await self._uids(Level.STUDY))

    async def series(self) -> Sequence[str]:
        """Give the series.

        Raises:
            OriginError: the origin failed, or lists none though it has the study.
            UnavailableError: a part of ours is away.
        """
        return self._not_nothing(await self._uids(Level.SERIES))

    async def instances(self, series: Sequence[str]) -> Contents:
        """Give the instances of some series.

        Raises:
            OriginError: the origin failed, or lists none of a series that it has.
            UnavailableError: a part of ours is away.
        """
        left = list(series)
        found: dict[str, frozenset[str]] = {}

        async def list_some() -> None:
            while left:
                one = left.pop()
                found[one] = frozenset(self._not_nothing(await self._uids(Level.IMAGE, one)))

        tasks = [asyncio.create_task(list_some()) for _ in range(AT_ONCE)]
        try:
            await asyncio.gather(*tasks)
        finally:
            await end_tasks(tasks)
        return found

    async def _uids(self, level: Level, *series: str) -> list[str]:
        tag = UNIQUE_KEYS[level]
        above = zip((Level.STUDY, Level.SERIES), (self.study, *series), strict=False)
        keys = tuple(MatchingKey((UNIQUE_KEYS[each],), (uid,)) for each, uid in above)
        async with search(self.bus, Query(self.origin, level, keys, ((tag,),))) as matches:
            elements = [match[tag] async for match in matches if tag in match]
        values = (value for element in elements for value in element.get("Value", ()))
        return list(dict.fromkeys(str(value) for value in values if value))

    def _not_nothing(self, uids: list[str]) -> list[str]:
        if not uids:
            # To take it for one that has nothing would make what the others have look complete.
            raise NotDelivered(
                "The origin has the study, but does not list what is in it", origin=self.origin
            )
        return uids


def contents_of(manifest: Manifest) -> Contents:
    """Give what is held of a study that is whole."""
    return {
        one.series_instance_uid: frozenset(held.blob.sop_instance_uid for held in one.instances)
        for one in manifest.series
    }


def undeliverable(manifest: Manifest | None) -> frozenset[str]:
    """Give the instances that the origin lists, and was found unable to deliver."""
    if manifest is None:
        return frozenset()
    missing = manifest.missing(Retrieve(manifest.origin, manifest.study))
    return frozenset(one.sop_instance_uid for one in missing)
