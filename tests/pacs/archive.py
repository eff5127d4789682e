"""What the PACS holds, and how it finds it (PS3.4 C.2.2.2, C.4.1)."""

import fnmatch
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

import pydicom
from pydicom.datadict import keyword_for_tag
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.uid import ImplicitVRLittleEndian

from tests.data_sets import raw_dataset

LEVELS: Final = {"STUDY": "StudyInstanceUID", "SERIES": "SeriesInstanceUID", "IMAGE": "SOPInstanceUID"}
"""The levels of the Study Root model and the unique key of each, from the top."""

UNIQUE_KEYS: Final = frozenset(LEVELS.values())
RANGE_VRS: Final = frozenset({"DA", "TM", "DT"})
NUMBER_VRS: Final = frozenset({"IS", "DS"})


@dataclass(frozen=True)
class Instance:
    """An instance as it is in its file."""

    file: Path

    @cached_property
    def ds(self) -> pydicom.FileDataset:
        """The attributes, without the pixels."""
        return pydicom.dcmread(self.file, force=True, stop_before_pixels=True)

    @cached_property
    def data(self) -> bytes:
        """The encoded data set, exactly as it is in the file."""
        return raw_dataset(self.file)

    @property
    def transfer_syntax(self) -> str:
        """How it is encoded."""
        return str(self.ds.file_meta.get("TransferSyntaxUID", ImplicitVRLittleEndian))

    @property
    def sop_class_uid(self) -> str:
        """Its class."""
        return str(self.ds.SOPClassUID)

    @property
    def sop_instance_uid(self) -> str:
        """Its name."""
        return self.uid("IMAGE")

    def uid(self, level: str) -> str:
        """The unique key of one of the levels."""
        return str(self.ds.get(LEVELS[level], ""))


def _count(level: str) -> Callable[[Sequence[Instance]], int]:
    return lambda instances: len({instance.uid(level) for instance in instances})


def _values(keyword: str) -> Callable[[Sequence[Instance]], list[str]]:
    return lambda instances: sorted({str(i.ds[keyword].value) for i in instances if keyword in i.ds})


COMPUTED: Final[Mapping[str, Callable[[Sequence[Instance]], int | list[str]]]] = {
    "ModalitiesInStudy": _values("Modality"),
    "SOPClassesInStudy": _values("SOPClassUID"),
    "NumberOfStudyRelatedSeries": _count("SERIES"),
    "NumberOfStudyRelatedInstances": _count("IMAGE"),
    "NumberOfSeriesRelatedInstances": _count("IMAGE"),
}
"""Attributes that no instance has (PS3.4 C.3.4)."""


class Archive:
    """The instances, in the order in which they were given."""

    def __init__(self, files: Iterable[Path]) -> None:
        self._instances = [Instance(file) for file in files]

    @property
    def instances(self) -> Sequence[Instance]:
        """All of them."""
        return self._instances

    def select(self, keys: Dataset) -> list[Instance]:
        """What a retrieve asks for (PS3.4 C.4.2.1.4): the unique keys, each a UID or a list of them."""
        wanted = {keyword: _uids(keys, keyword) for keyword in LEVELS.values()}
        return [
            instance
            for instance in self._instances
            if all(not wanted[key] or instance.uid(level) in wanted[key] for level, key in LEVELS.items())
        ]

    def find(self, keys: Dataset, *, ignored: set[str]) -> list[Dataset]:
        """The matches of a query.

        Args:
            keys: the identifier, with its level.
            ignored: keywords of the keys that match everything.
        """
        level = str(keys.QueryRetrieveLevel)
        entities: dict[str, list[Instance]] = {}
        for instance in self._instances:
            entities.setdefault(instance.uid(level), []).append(instance)
        found = (_answer(keys, instances) for instances in entities.values())
        return [match for match in found if _matches(keys, match, ignored)]


def _uids(keys: Dataset, keyword: str) -> set[str]:
    if keyword not in keys:
        return set()
    return set(_strings(keys[keyword]))


def _answer(keys: Dataset, instances: Sequence[Instance]) -> Dataset:
    answer = Dataset()
    first = instances[0].ds
    for key in keys:
        keyword = keyword_for_tag(key.tag)
        if keyword in COMPUTED:
            answer.add_new(key.tag, key.VR, COMPUTED[keyword](instances))
        elif keyword == "QueryRetrieveLevel":
            answer.add(key)
        elif key.tag in first:
            answer.add(first[key.tag])
        else:
            answer.add_new(key.tag, key.VR, [] if key.VR == "SQ" else None)
    if "SpecificCharacterSet" in first:
        answer.SpecificCharacterSet = first.SpecificCharacterSet
    return answer


def _matches(keys: Dataset, answer: Dataset, ignored: set[str]) -> bool:
    for key in keys:
        keyword = keyword_for_tag(key.tag)
        if keyword in {"QueryRetrieveLevel", "SpecificCharacterSet"} or keyword in ignored:
            continue
        if key.VR == "SQ":
            if not _sequence_matches(key, answer[key.tag], ignored):
                return False
        elif not _element_matches(key, answer[key.tag]):
            return False
    return True


def _sequence_matches(key: DataElement, held: DataElement, ignored: set[str]) -> bool:
    """Whether one of the items matches the key's item (PS3.4 C.2.2.2.6)."""
    wanted = list(key.value)
    if not wanted or not len(wanted[0]):
        return True
    # Keys without a value match all, also where the sequence is absent (PS3.4 C.2.2.2.3).
    items = held.value or [Dataset()]
    return any(_matches(wanted[0], _item(wanted[0], item), ignored) for item in items)


def _item(keys: Dataset, item: Dataset) -> Dataset:
    answer = Dataset()
    for key in keys:
        if key.tag in item:
            answer.add(item[key.tag])
        else:
            answer.add_new(key.tag, key.VR, [] if key.VR == "SQ" else None)
    return answer


def _strings(element: DataElement) -> list[str]:
    if element.is_empty:
        return []
    values = element.value if element.VM > 1 else [element.value]
    return [str(value) for value in values]


def _element_matches(key: DataElement, held: DataElement) -> bool:
    wanted = _strings(key)
    values = _strings(held)
    return not wanted or any(_value_matches(str(key.VR), want, value) for want in wanted for value in values)


def _value_matches(vr: str, wanted: str, value: str) -> bool:
    """Whether a value matches: by range, by number, by wildcard or as it is (PS3.4 C.2.2.2)."""
    if vr in RANGE_VRS and "-" in wanted:
        first, _, last = wanted.partition("-")
        return (not first or value >= first) and (not last or value[: len(last)] <= last)
    if vr in NUMBER_VRS:
        return float(wanted) == float(value)
    if vr == "PN":
        wanted, value = wanted.rstrip("^").casefold(), value.rstrip("^").casefold()
    if vr != "UI" and re.search(r"[*?]", wanted):
        # In a PACS only `*` and `?` are special, not brackets.
        return fnmatch.fnmatchcase(value, wanted.replace("[", "[[]"))
    return wanted == value
