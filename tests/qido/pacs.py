"""An origin and its worker, as far as searches go: canned matches behind the real bus."""

import asyncio
from collections.abc import Iterable, Sequence
from random import Random

from isthmus.common.bus import Bus, MatchWriter, serve_queries
from isthmus.common.dicom.attributes import tag_of, vr_of
from isthmus.common.dicom.json_model import DicomJson
from isthmus.common.dicom.levels import Level
from isthmus.common.dicom.matching import Matcher
from isthmus.common.errors import IsthmusError
from isthmus.common.messages import Query


def attributes(**values: str | int) -> DicomJson:
    """Write a match: keyword and value."""
    match: DicomJson = {}
    for keyword, value in values.items():
        tag = tag_of(keyword)
        match[tag] = {"vr": vr_of(tag), "Value": [{"Alphabetic": value} if vr_of(tag) == "PN" else value]}
    return match


def value_of(match: DicomJson, keyword: str) -> object:
    """Give the value of an attribute; None if it has none, KeyError if it is not there."""
    values = match[tag_of(keyword)].get("Value")
    return values[0] if values else None


class Pacs:
    """Holds matches of each level, and remembers what it was asked."""

    def __init__(self) -> None:
        self.matches: dict[Level, list[DicomJson]] = {level: [] for level in Level}
        self.queries: list[Query] = []
        self.failures: dict[Level, IsthmusError] = {}
        """Raised after the matches of a level."""
        self.hangs = False
        self.hangs_at: set[Level] = set()
        self.dice: Random | None = None
        """With it the matches come in another order each time."""
        self.asked = asyncio.Event()
        self.cancelled = asyncio.Event()

    def holds(self, studies: int, series: int = 1, instances: int = 1) -> None:
        """Fill it: `series` in each of the studies, `instances` in each series."""
        for study in range(1, studies + 1):
            uids = {"StudyInstanceUID": f"1.{study}"}
            self.matches[Level.STUDY].append(
                attributes(
                    **uids,
                    PatientName=f"Doe^{study}",
                    ModalitiesInStudy="CT",
                    StudyID=f"S{study}",
                    NumberOfStudyRelatedSeries=series,
                    NumberOfStudyRelatedInstances=series * instances,
                )
            )
            for one_series in range(1, series + 1):
                uids["SeriesInstanceUID"] = f"1.{study}.{one_series}"
                self.matches[Level.SERIES].append(
                    attributes(**uids, Modality="CT", SeriesNumber=one_series, StationName="CT01")
                )
                self.matches[Level.IMAGE].extend(_instances(uids, range(1, instances + 1)))

    async def serve(self, bus: Bus, origin: str) -> None:
        """Answer the queries of an origin."""
        await serve_queries(bus, origin, self.search)

    async def search(self, query: Query, writer: MatchWriter) -> None:
        """Find what matches."""
        self.queries.append(query)
        self.asked.set()
        try:
            await self._search(query, writer)
        except asyncio.CancelledError:
            self.cancelled.set()
            raise

    async def _search(self, query: Query, writer: MatchWriter) -> None:
        matcher = Matcher(query.keys, fuzzy=query.fuzzy)
        matches = self.matches[query.level]
        for match in self.dice.sample(matches, len(matches)) if self.dice else matches:
            if matcher.matches(match):
                await writer.add(match)
        if query.level in self.failures:
            raise self.failures[query.level]
        if self.hangs or query.level in self.hangs_at:
            await asyncio.Event().wait()

    def levels_asked(self) -> Sequence[Level]:
        """The levels of the queries, in their order."""
        return [query.level for query in self.queries]


def _instances(uids: dict[str, str], numbers: Iterable[int]) -> list[DicomJson]:
    return [
        attributes(
            **uids,
            SOPInstanceUID=f"{uids['SeriesInstanceUID']}.{number}",
            SOPClassUID="1.2.840.10008.5.1.4.1.1.2",
            InstanceNumber=number,
        )
        for number in numbers
    ]
