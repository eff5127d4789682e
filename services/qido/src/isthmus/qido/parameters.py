"""The query string of a search (PS3.18 8.3.4, 10.6.1), read into what it means.

A name in the form of an attribute is one: a keyword (UpperCamelCase), a tag (8 hexadecimal digits), or a
dotted path that begins with either. If there is no such attribute, if it cannot be matched, or if it belongs
to a level below the one searched, the request is refused: a search that silently matched less than it was
asked to would give somebody else's studies. Any other name that the standard does not define (`_dc`,
`charset`) is ignored. At the study level, Modality means ModalitiesInStudy.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl

from isthmus.common.dicom.attributes import (
    AttributePath,
    keyword_of,
    looks_like_attribute,
    parse_path,
    tag_of,
    tags_of,
    vr_of,
)
from isthmus.common.dicom.levels import Level
from isthmus.common.dicom.matching import WILDCARD_VRS, MatchingKey
from isthmus.common.dicom.search_attributes import level_of
from isthmus.common.dicom.values import check_matching_value
from isthmus.common.dicomweb import EMPTYVALUEMATCHING_NOT_SUPPORTED, MULTIPLEVALUEMATCHING_NOT_SUPPORTED
from isthmus.common.errors import InvalidParameter

_NUMBER: Final = re.compile(r"[0-9]{1,18}")
_LIST: Final = re.compile(r"[,\\]")
_LISTED_VRS: Final = frozenset({"UI", "CS"})
"""Neither can hold a comma. The standard has lists of UIDs alone; viewers send lists of modalities too."""
_NO_VALUE: Final = '""'
_BOOLEANS: Final = {"true": True, "false": False}
_MODALITY: Final = (tag_of("Modality"),)
_MODALITIES_IN_STUDY: Final = (tag_of("ModalitiesInStudy"),)
_NOT_SEARCHED: Final = frozenset(
    tags_of(
        (
            "SpecificCharacterSet",
            "QueryRetrieveLevel",
            "RetrieveAETitle",
            "InstanceAvailability",
            "TimezoneOffsetFromUTC",
            "RetrieveURL",
        )
    )
)
"""They say something about an answer, and nothing about what is searched for."""
_RESOURCES: Final = {Level.STUDY: "studies", Level.SERIES: "series", Level.IMAGE: "instances"}
_UNSUPPORTED: Final = {
    "emptyvaluematching": EMPTYVALUEMATCHING_NOT_SUPPORTED,
    "multiplevaluematching": MULTIPLEVALUEMATCHING_NOT_SUPPORTED,
}

Pairs = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class SearchParameters:
    """What a client wants to find, and to know of what was found."""

    keys: tuple[MatchingKey, ...] = ()
    """Of this level and those above."""
    include: tuple[AttributePath, ...] = ()
    """Attributes of this level and those above to return, those with an empty matching key among them."""
    include_all: bool = False
    limit: int | None = None
    offset: int = 0
    fuzzy: bool = False
    warnings: tuple[str, ...] = ()
    """What was asked for and is not supported, in the standard's words."""


def parse_parameters(query: bytes, level: Level) -> SearchParameters:
    """Read the query string of a search for resources of a level.

    Raises:
        InvalidParameter: names the parameter, as the client wrote it.
    """
    pairs = _pairs(query)
    unsupported = [name for name in _UNSUPPORTED if _boolean(pairs, name)]
    attributes = _attributes(pairs, level, no_value=_NO_VALUE if "emptyvaluematching" in unsupported else "")
    fields = [field.strip() for name, text in pairs if name == "includefield" for field in text.split(",")]
    included = [parse_path(field, "includefield") for field in fields if field not in {"", "all"}]
    universal = [path for path, values in attributes.items() if not values]
    return SearchParameters(
        keys=tuple(MatchingKey(path, values) for path, values in attributes.items() if values),
        include=tuple(dict.fromkeys(path for path in universal + included if _is_returned(path, level))),
        include_all="all" in fields,
        limit=_number(pairs, "limit"),
        offset=_number(pairs, "offset") or 0,
        fuzzy=_boolean(pairs, "fuzzymatching"),
        warnings=tuple(_UNSUPPORTED[name] for name in unsupported),
    )


def _pairs(query: bytes) -> Pairs:
    try:
        return parse_qsl(query.decode(), keep_blank_values=True, errors="strict")
    except UnicodeDecodeError:
        raise InvalidParameter("query", "is no percent-encoded UTF-8") from None


def _attributes(pairs: Pairs, level: Level, *, no_value: str) -> dict[AttributePath, tuple[str, ...]]:
    """Give the values for each attribute, none for universal matching; only UIDs may be repeated."""
    attributes: dict[AttributePath, tuple[str, ...]] = {}
    for name, text in pairs:
        if not looks_like_attribute(name):
            continue
        path = parse_path(name, name)
        if path == _MODALITY and level is Level.STUDY:
            path = _MODALITIES_IN_STUDY
        values = () if text == no_value else _values(path, text, name)
        if values:
            _check_can_be_matched(path, level, name)
        if path in attributes and vr_of(path[-1]) != "UI":
            raise InvalidParameter(name, "the attribute is given more than once")
        attributes[path] = attributes.get(path, ()) + values
    return attributes


def _values(path: AttributePath, text: str, name: str) -> tuple[str, ...]:
    vr = vr_of(path[-1])
    if not text or (vr in WILDCARD_VRS and not text.strip("*")):
        return ()
    values = [text]
    if vr in _LISTED_VRS:
        values = [value.strip() for value in _LIST.split(text) if value.strip()]
        if not values:
            raise InvalidParameter(name, "the list is empty")
    for value in values:
        check_matching_value(path[-1], value, name)
    return tuple(values)


def _check_can_be_matched(path: AttributePath, level: Level, name: str) -> None:
    if path[0] in _NOT_SEARCHED or any(_is_private(tag) for tag in path):
        raise InvalidParameter(name, "the attribute cannot be matched")
    if level < level_of(path[0]):
        raise InvalidParameter(
            name,
            f"{keyword_of(path[0])} belongs to the {level_of(path[0]).value} level and this search to the"
            f" {level.value} level; search /{_RESOURCES[level_of(path[0])]} for it",
        )


def _is_returned(path: AttributePath, level: Level) -> bool:
    """Tell whether an attribute is part of an answer; of others nothing is said (PS3.18 10.6.3)."""
    private = any(_is_private(tag) for tag in path)
    return path[0] not in _NOT_SEARCHED and not private and level_of(path[0]) <= level


def _is_private(tag: str) -> bool:
    return int(tag[:4], 16) % 2 == 1


def _number(pairs: Pairs, name: str) -> int | None:
    text = _single(pairs, name)
    if text is not None and not _NUMBER.fullmatch(text):
        raise InvalidParameter(name, "is no unsigned integer")
    return None if text is None else int(text)


def _boolean(pairs: Pairs, name: str) -> bool:
    text = _single(pairs, name)
    if text is not None and text.lower() not in _BOOLEANS:
        raise InvalidParameter(name, "is neither true nor false")
    return text is not None and _BOOLEANS[text.lower()]


def _single(pairs: Pairs, name: str) -> str | None:
    found = [text for key, text in pairs if key == name]
    if len(found) > 1:
        raise InvalidParameter(name, "is given more than once")
    return found[0] if found else None
