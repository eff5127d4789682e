"""The matches of several origins as one list: each resource once, and of each which origins have it."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from isthmus.common.config import Origin
from isthmus.common.dicom.attributes import tag_of, tags_of
from isthmus.common.dicom.json_model import DicomJson, JsonElement
from isthmus.common.dicom.levels import Level
from isthmus.common.dicom.numeric import read_number
from isthmus.common.dicom.search_attributes import uid_of
from isthmus.common.federation.turns import in_turns

_RETRIEVE_AE_TITLE: Final = tag_of("RetrieveAETitle")
_UNITED: Final = tags_of(("ModalitiesInStudy", "SOPClassesInStudy"))
"""What is in a resource: whatever any origin has in it."""
_COUNTED: Final = tags_of(
    (
        "NumberOfPatientRelatedStudies",
        "NumberOfPatientRelatedSeries",
        "NumberOfPatientRelatedInstances",
        "NumberOfStudyRelatedSeries",
        "NumberOfStudyRelatedInstances",
        "NumberOfSeriesRelatedInstances",
    )
)
"""How much is in it: as much as where there is most of it, at least. The sum would count copies twice."""


@dataclass(frozen=True, slots=True)
class MergedMatch:
    """A study, series or instance, as each origin describes it that has it."""

    by_origin: dict[str, DicomJson] = field(default_factory=dict)

    @property
    def study(self) -> str:
        """Its Study Instance UID; empty where it has none."""
        return uid_of(next(iter(self.by_origin.values())), Level.STUDY)

    def attributes(self, origins: Mapping[str, Origin]) -> DicomJson:
        """Give what the first origin says, and what only all of them together know.

        Args:
            origins: by name, in the order of the settings.
        """
        names = [name for name in origins if name in self.by_origin]
        matches = [self.by_origin[name] for name in names]
        titles = dict.fromkeys(origins[name].ae_title for name in names)
        merged = {**matches[0], _RETRIEVE_AE_TITLE: JsonElement(vr="AE", Value=list(titles))}
        if len(matches) > 1:
            for tags, choose in ((_UNITED, _united), (_COUNTED, _largest)):
                for tag in tags:
                    elements = [match[tag] for match in matches if tag in match and match[tag].get("Value")]
                    if elements:
                        merged[tag] = choose(elements)
        return merged


class Merged:
    """The matches of a level, in the order in which they are added."""

    def __init__(self, level: Level) -> None:
        self._levels = [each for each in Level if each <= level]
        self._matches: dict[tuple[str, ...], MergedMatch] = {}

    async def add(self, origin: str, matches: Iterable[DicomJson]) -> None:
        """Take what an origin found; what it gives twice is there twice, as in a search of it alone."""
        async for name, match in in_turns(self._named(origin, matches)):
            self._matches.setdefault(name, MergedMatch()).by_origin[origin] = match

    async def describe(self, origin: str, matches: Iterable[DicomJson]) -> None:
        """Take what an origin has of that which is there, and nothing else."""
        async for name, match in in_turns(self._named(origin, matches)):
            if name in self._matches:
                self._matches[name].by_origin[origin] = match

    def all(self) -> Sequence[MergedMatch]:
        """Give all of them."""
        return list(self._matches.values())

    def _named(
        self, origin: str, matches: Iterable[DicomJson]
    ) -> Iterator[tuple[tuple[str, ...], DicomJson]]:
        times: Counter[tuple[str, ...]] = Counter()
        for match in matches:
            uids = tuple(uid_of(match, each) for each in self._levels)
            times[uids] += 1
            # Of one without a UID nobody knows whether it is the same as another origin's.
            yield (*uids, str(times[uids]), "" if uids[-1] else origin), match


def _united(elements: Sequence[JsonElement]) -> JsonElement:
    values = dict.fromkeys(str(value) for element in elements for value in element["Value"] if value)
    return JsonElement(vr=elements[0]["vr"], Value=list(values))


def _largest(elements: Sequence[JsonElement]) -> JsonElement:
    return max(elements, key=lambda element: read_number(str(element["Value"][0]), "IS") or Decimal(-1))
