"""A small DICOMweb server with a modality worklist (PS3.18 14.4), but for what a test takes away from it."""

import asyncio
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from urllib.parse import parse_qsl, urlsplit

from pydicom.dataset import Dataset

from isthmus.common.dicom.json_model import DicomJson
from tests.common.webclient.web_origin import Behaviour, Request, says

STEPS = "00400100"
_DATE, _TIME = f"{STEPS}.00400002", f"{STEPS}.00400003"
_PAGE = ("limit", "offset", "includefield")


@dataclass(frozen=True)
class Habits:
    """What it does, and does not do."""

    resource: str = "modality-scheduled-procedure-steps"
    """Where its worklist is; elsewhere there is nothing."""
    absent: int = 404
    """The status of what is not there."""
    cap: int = 10_000
    """Matches of a page at most."""
    warns: bool = True
    """Whether it says that there are more."""
    matches: bool = True
    """Whether it matches anything."""
    paths: bool = True
    """Whether it returns attributes of items by their paths; otherwise that is 400."""
    alone: bool = False
    """Whether of a sequence in which something is matched it returns that alone, whatever is asked for."""
    refuses: Collection[str] = ()
    """Attributes that are 400, to be matched or to be returned."""
    for_none: str = "204 No Content"
    """With which it says that there is no match."""


@dataclass
class Worklist:
    """Answers searches below `/dicom-web`; what it was asked is in the requests of its site."""

    steps: Sequence[DicomJson]
    habits: Habits = field(default_factory=Habits)

    @classmethod
    def of(cls, entries: Sequence[Dataset]) -> "Worklist":
        """Hold what is written as a response of C-FIND tells it."""
        return cls([_without_character_set(entry.to_json_dict()) for entry in entries])

    def has(self, **habits: object) -> None:
        """Let it have these habits besides those that it has."""
        self.habits = replace(self.habits, **habits)  # type: ignore[arg-type]  # a test names fields of its own

    async def __call__(self, request: Request, writer: asyncio.StreamWriter) -> None:
        """Answer."""
        url = urlsplit(request.target)
        await self._answer(url.path.removeprefix("/dicom-web/"), parse_qsl(url.query))(request, writer)

    def _answer(self, path: str, asked: Sequence[tuple[str, str]]) -> Behaviour:
        habits, given = self.habits, dict(asked)
        if path != habits.resource:
            return says(f"{habits.absent} No")
        included = given.get("includefield", "").split(",")
        keys = {name: value for name, value in given.items() if name not in _PAGE}
        knows = habits.paths or not any("." in name for name in included)
        if not knows or any(name in habits.refuses for name in (*keys, *included)):
            return says("400 Bad Request", "no")
        found = [
            _told(step, {*keys, *included}, alone=habits.alone)
            for step in self.steps
            if not habits.matches or all(_holds(step, name, value, keys) for name, value in keys.items())
        ]
        offset = int(given.get("offset", "0"))
        most = min(int(given.get("limit", habits.cap)), habits.cap)
        page, left = found[offset : offset + most], len(found) - offset - most
        if not page:
            return says(habits.for_none)
        more = f"Warning: 299 here: There are {left} additional results that can be requested"
        return says("200 OK", json.dumps(page), *([more] if left > 0 and habits.warns else []))


def _holds(step: DicomJson, path: str, wanted: str, keys: Mapping[str, str]) -> bool:
    value = _value(step, path)
    if path in (_DATE, _TIME) and all("-" in keys.get(one, "") for one in (_DATE, _TIME)):
        first, last = zip(*(keys[one].split("-") for one in (_DATE, _TIME)), strict=True)
        start = _value(step, _DATE) + _value(step, _TIME)[:4]
        return (not first[0] or "".join(first) <= start) and (not last[0] or start <= "".join(last))
    if path in (_DATE, _TIME) and "-" in wanted:
        begin, end = wanted.split("-")
        return begin <= value[: len(begin)] and (not end or value[: len(end)] <= end)
    return fnmatchcase(value, wanted)


def _value(step: DicomJson, path: str) -> str:
    """Give a value that is matched; a name by its first group."""
    *parents, tag = path.split(".")
    for parent in parents:
        (step,) = step[parent]["Value"]  # type: ignore[assignment]  # an item is a data set
    value = step[tag]["Value"][0] if tag in step else ""
    return str(value["Alphabetic"] if isinstance(value, dict) else value)


def _told(step: DicomJson, paths: Collection[str], *, alone: bool) -> DicomJson:
    """Give of a step what is asked for (PS3.18 8.3.4.3): of items too, unless their sequence is asked for."""
    told: DicomJson = {}
    for tag, element in step.items():
        below = {path.partition(".")[2] for path in paths if path.startswith(f"{tag}.")}
        if below and (alone or not {tag, "all"}.intersection(paths)):
            items = [_told(item, below, alone=alone) for item in element["Value"]]  # type: ignore[arg-type]  # as above
            told[tag] = {"vr": "SQ", "Value": items}  # type: ignore[typeddict-item]  # as above
        elif {tag, "all"}.intersection(paths):
            told[tag] = element
    return told


def _without_character_set(step: DicomJson) -> DicomJson:
    return {tag: element for tag, element in step.items() if tag != "00080005"}
