"""A small DICOMweb server that searches as PS3.18 10.6 has it, but for what a test takes away from it."""

import asyncio
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from urllib.parse import parse_qsl, urlsplit

from isthmus.common.dicom.json_model import DicomJson
from tests.common.webclient.web_origin import Behaviour, Request, says

STUDY, SERIES, INSTANCE = "0020000D", "0020000E", "00080018"
NAME, PATIENT, MODALITY, MODALITIES = "00100010", "00100020", "00080060", "00080061"
_UIDS = (STUDY, SERIES, INSTANCE)
_DEPTHS = {"studies": 1, "series": 2, "instances": 3}


@dataclass(frozen=True)
class Habits:
    """What it does, and does not do."""

    cap: int = 10_000
    """Matches of a page at most."""
    warns: bool = True
    """Whether it says that there are more."""
    pages: bool = True
    """Whether it knows `offset`."""
    limits: bool = True
    """Whether it knows `limit`."""
    largest_limit: int = 10_000
    """A larger one is 400."""
    relational: int | None = None
    """The status with which it refuses relational searches."""
    lists: bool = True
    """Whether it knows lists of UIDs."""
    refuses_lists: bool = False
    """Whether they are 400."""
    matches: bool = True
    """Whether it matches anything but the UIDs in the path."""
    refuses: Collection[str] = ()
    """Parameters that are 400."""
    leaves_out: Collection[str] = ()
    """Tags that it does not return."""
    empties: Collection[str] = ()
    """Tags that it returns without a value."""
    unescapes: bool = True
    """Whether it compares what was meant, and not what stands in the URL."""
    for_none: str = "200 OK"
    """With which it says that there is no match."""


@dataclass
class Archive:
    """Answers searches below `/dicom-web`; what it was asked is in the requests of its site."""

    instances: list[dict[str, str]]
    """Their UIDs, modality and patient; in the order of its answers."""
    habits: Habits = field(default_factory=Habits)
    families: dict[str, str] = field(default_factory=dict)
    """Family names of patients, by whose names it can be searched then; the ID is the given name."""

    def has(self, **habits: object) -> None:
        """Let it have these habits besides those that it has."""
        self.habits = replace(self.habits, **habits)  # type: ignore[arg-type]  # a test names fields of its own

    async def __call__(self, request: Request, writer: asyncio.StreamWriter) -> None:
        """Answer."""
        url = urlsplit(request.target)
        segments = url.path.removeprefix("/dicom-web/").split("/")
        asked = dict(parse_qsl(url.query))
        if not self.habits.unescapes:
            asked = dict(one.split("=") for one in url.query.split("&"))
        await self._answer(segments, asked)(request, writer)

    def _answer(self, segments: list[str], asked: Mapping[str, str]) -> Behaviour:
        habits, depth = self.habits, _DEPTHS[segments[-1]]
        if len(segments) != 2 * depth - 1 and habits.relational is not None:
            return says(f"{habits.relational} No")
        limit = int(asked.get("limit", habits.cap))
        has_list = any("," in asked.get(tag, "") for tag in _UIDS)
        if (
            limit > habits.largest_limit
            or any(name in asked for name in habits.refuses)
            or (has_list and habits.refuses_lists)
        ):
            return says("400 Bad Request", "no")
        found = self._found(depth, dict(zip(_UIDS, segments[1::2], strict=False)), asked)
        offset = int(asked.get("offset", "0")) if habits.pages else 0
        most = min(limit, habits.cap) if habits.limits else habits.cap
        page, left = found[offset : offset + most], len(found) - offset - most
        if not page:
            return says(habits.for_none, "[]" if habits.for_none == "200 OK" else "")
        more = f"Warning: 299 here: There are {left} additional results that can be requested"
        return says("200 OK", json.dumps(page), *([more] if left > 0 and habits.warns else []))

    def _found(self, depth: int, path: Mapping[str, str], asked: Mapping[str, str]) -> list[DicomJson]:
        found: dict[tuple[str, ...], DicomJson] = {}
        for one in self.instances:
            if all(one[tag] == uid for tag, uid in path.items()) and self._is_asked_for(one, asked):
                found.setdefault(tuple(one[tag] for tag in _UIDS[:depth]), self._match(depth, one))
        return list(found.values())

    def _is_asked_for(self, one: Mapping[str, str], asked: Mapping[str, str]) -> bool:
        if not self.habits.matches:
            return True
        for tag, wanted in asked.items():
            values = wanted.split(",") if self.habits.lists else [wanted]
            if tag == NAME and self.families:
                has = [self._name(one)]
            elif tag == MODALITIES:
                has = self._modalities(one[STUDY])
            elif tag in one:
                has = [one[tag]]
            else:
                continue
            if not any(fnmatchcase(value, pattern) for value in has for pattern in values):
                return False
        return True

    def _match(self, depth: int, one: Mapping[str, str]) -> DicomJson:
        found: DicomJson = {
            PATIENT: {"vr": "LO", "Value": [one[PATIENT]]},
            "00081190": {"vr": "UR", "Value": ["http://127.0.0.1/inside"]},
            **{tag: {"vr": "UI", "Value": [one[tag]]} for tag in _UIDS[:depth]},
        }
        if one[PATIENT] in self.families:
            found[NAME] = {"vr": "PN", "Value": [{"Alphabetic": self._name(one)}]}
        if depth == 1:
            found[MODALITIES] = {"vr": "CS", "Value": [*self._modalities(one[STUDY])]}
        else:
            found[MODALITY] = {"vr": "CS", "Value": [one[MODALITY]]}
        kept = {tag: element for tag, element in found.items() if tag not in self.habits.leaves_out}
        return {
            tag: {"vr": element["vr"]} if tag in self.habits.empties else element
            for tag, element in kept.items()
        }

    def _name(self, one: Mapping[str, str]) -> str:
        family = self.families.get(one[PATIENT])
        return f"{family}^{one[PATIENT]}" if family else ""

    def _modalities(self, study: str) -> list[str]:
        return sorted({one[MODALITY] for one in self.instances if one[STUDY] == study})


def instances(studies: int, series: int = 1, each: int = 1) -> list[dict[str, str]]:
    """Of each study the first series is CT, the second MR, the third PT; each study is of its own patient."""
    return [
        {
            STUDY: f"1.{study}",
            SERIES: f"1.{study}.{one}",
            INSTANCE: f"1.{study}.{one}.{number}",
            PATIENT: f"P{study}",
            MODALITY: ("CT", "MR", "PT")[one - 1],
        }
        for study in range(1, studies + 1)
        for one in range(1, series + 1)
        for number in range(1, each + 1)
    ]
