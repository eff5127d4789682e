"""Searches of an inbox (PS3.4 C.4.1): everything matches that is said to, in an order that stays."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Final

from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus, MatchWriter
from isthmus.common.config import Origin
from isthmus.common.dicom.attributes import tag_of
from isthmus.common.dicom.json_model import DicomJson
from isthmus.common.dicom.levels import Level
from isthmus.common.dicom.matching import Matcher, Wanted
from isthmus.common.dicom.search_attributes import UNIQUE_KEYS
from isthmus.common.dicom.wildcards import is_universal
from isthmus.common.inbox.contents import ContentsStore
from isthmus.common.inbox.index import Index, Indexed
from isthmus.common.inbox.matches import instance_matches, series_matches
from isthmus.common.inbox.reading import read_study
from isthmus.common.inbox.state import States
from isthmus.common.messages import Query

LOOKED_AT_ONCE: Final = 200
"""Candidates, before others have their turn."""
_RETRIEVE_AE_TITLE: Final = tag_of("RetrieveAETitle")


class SearchWork:
    """Answers `dicom.query` of one inbox, or of one bucket."""

    def __init__(self, bus: Bus, blobs: BlobStore, inbox: Origin, index: Index) -> None:
        self._states = States(bus)
        self._contents = ContentsStore(blobs)
        self._inbox = inbox
        self._index = index

    async def __call__(self, query: Query, writer: MatchWriter) -> None:
        """Search; studies come by date, the newest first, what is in them by its number.

        Raises:
            BusUnavailable: it cannot be told whether all that is there is known.
            StoreUnavailable: S3 does not give the list of a study.
            ContractError: the record of a study that may match is of another version.
        """
        matcher = Matcher(query.keys, fuzzy=query.fuzzy)
        looked_at = 0
        async with aclosing(self._candidates(query)) as candidates:
            async for candidate in candidates:
                if matcher.matches(candidate):
                    await writer.add(self._returned(candidate, query))
                looked_at += 1
                if looked_at % LOOKED_AT_ONCE == 0:
                    await asyncio.sleep(0)

    async def _candidates(self, query: Query) -> AsyncGenerator[DicomJson, None]:
        if query.level is Level.STUDY:
            async for study in self._studies(query):
                yield study.match
        elif query.level is Level.SERIES:
            async for study in self._studies(query):
                for candidate in series_matches(study.state()):
                    yield candidate
        else:
            async for study in self._studies(query):
                found, contents = await read_study(
                    self._states, self._contents, self._inbox.name, study.study
                )
                for candidate in instance_matches(found.state, contents):
                    yield candidate

    async def _studies(self, query: Query) -> AsyncGenerator[Indexed, None]:
        """Give the studies that a query may be about."""
        uids = studies_in(query)
        for study in await self._index.studies(self._inbox.name, uids):
            if not uids or study.study in uids:
                yield study

    def _returned(self, candidate: DicomJson, query: Query) -> DicomJson:
        asked = {path[0] for path in query.return_keys}
        asked.update(tag for level, tag in UNIQUE_KEYS.items() if level <= query.level)
        found = {tag: element for tag, element in candidate.items() if tag in asked}
        found[_RETRIEVE_AE_TITLE] = {"vr": "AE", "Value": [self._inbox.ae_title]}
        return dict(sorted(found.items()))


def studies_in(query: Query) -> frozenset[str]:
    """Give the studies that a query names; none where it names none, or not by their UIDs alone."""
    for key in query.keys:
        if key.path == (UNIQUE_KEYS[Level.STUDY],) and key.wanted is Wanted.ANY:
            uids = frozenset(value.strip(" \0") for value in key.values)
            if not any(is_universal(uid) or "*" in uid or "?" in uid for uid in uids):
                return uids
    return frozenset()
