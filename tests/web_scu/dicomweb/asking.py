"""Queries of the tests, and what they find."""

from collections.abc import Iterable
from urllib.parse import urlsplit

from isthmus.common.bus import Bus, search
from isthmus.common.dicom.attributes import parse_path
from isthmus.common.dicom.json_model import DicomJson
from isthmus.common.dicom.levels import Level
from isthmus.common.dicom.matching import MatchingKey
from isthmus.common.dicom.search_attributes import UNIQUE_KEYS
from isthmus.common.messages import Query
from tests.common.webclient.web_origin import Site

Key = tuple[str, str | Iterable[str]]


def query(origin: str, level: Level, *keys: Key, returned: Iterable[str] = ("PatientID",)) -> Query:
    """Write a query; the values of a key are one, or several."""
    matching = tuple(
        MatchingKey(parse_path(name, "test"), (values,) if isinstance(values, str) else tuple(values))
        for name, values in keys
    )
    return Query(origin, level, matching, tuple(parse_path(name, "test") for name in returned))


async def found(bus: Bus, asked: Query) -> list[DicomJson]:
    """Give all matches."""
    async with search(bus, asked) as matches:
        return [match async for match in matches]


def uids_of(matches: Iterable[DicomJson], level: Level) -> list[str]:
    """Give their UIDs at a level, in their order."""
    return [str(match[UNIQUE_KEYS[level]]["Value"][0]) for match in matches]


def asked(site: Site) -> list[str]:
    """Give the resources that were asked for."""
    return [urlsplit(request.target).path.removeprefix("/dicom-web/") for request in site.requests]
