"""The query string of a search (PS3.18 8.3.4, 10.6.1), read into what it means.

A name in the form of an attribute is one: a keyword (UpperCamelCase), a tag (8 hexadecimal digits), or a
dotted path that begins with either. If there is no such attribute, if it cannot be matched, or if it belongs
to a level below the one searched, the request is refused: a search that silently matched less than it was
asked to would give somebody else's studies. Any other name that the standard does not define (`_dc`,
`charset`) is ignored. At the study level, Modality means ModalitiesInStudy.

With `emptyvaluematching` two quotation marks mean no value; with `multiplevaluematching` the values of an
attribute that may have several, separated by backslashes, must all be there. Without them a list of code
strings means any of them, and `""` is a text like others.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl

from isthmus.common.dicom.attributes import (
    AttributePath,
    is_multi_valued,
    is_private,
    keyword_of,
    looks_like_attribute,
    parse_path,
    tag_of,
    vr_of,
)
from isthmus.common.dicom.levels import Level
from isthmus.common.dicom.matching import WILDCARD_VRS, MatchingKey, Wanted
from isthmus.common.dicom.search_attributes import NOT_SEARCHED, level_of
from isthmus.common.dicom.values import NOT_MATCHED, check_matching_value
from isthmus.common.errors import InvalidParameter

_NUMBER: Final = re.compile(r"[0-9]{1,18}")
_LIST: Final = re.compile(r"[,\\]")
_LISTED_VRS: Final = frozenset({"UI", "CS"})
"""Neither can hold a comma. The standard has lists of UIDs alone; viewers send lists of modalities too."""
_SEVERAL: Final = re.compile(r"\\")
_SEVERAL_VRS: Final = frozenset({"AE", "AS", "AT", "CS", "LO", "PN", "SH", "UC"})
"""Those that Multiple Value Matching is for (PS3.4 C.2.2.2.8)."""
_NO_VALUE: Final = '""'
"""The value of Empty Value Matching (PS3.4 C.2.2.2.7)."""
_BOOLEANS: Final = {"true": True, "false": False}
_MODALITY: Final = (tag_of("Modality"),)
_MODALITIES_IN_STUDY: Final = (tag_of("ModalitiesInStudy"),)
_RESOURCES: Final = {Level.STUDY: "studies", Level.SERIES: "series", Level.IMAGE: "instances"}

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


def parse_parameters(query: bytes, level: Level) -> SearchParameters:
    """Read the query string of a search for resources of a level.

    Raises:
        InvalidParameter: names the parameter, as the client wrote it.
    """
    pairs = _pairs(query)
    keys = _keys(
        pairs,
        level,
        empty=_boolean(pairs, "emptyvaluematching"),
        several=_boolean(pairs, "multiplevaluematching"),
    )
    fields = [field.strip() for name, text in pairs if name == "includefield" for field in text.split(",")]
    included = [parse_path(field, "includefield") for field in fields if field not in {"", "all"}]
    universal = [key.path for key in keys if _is_universal(key)]
    return SearchParameters(
        keys=tuple(key for key in keys if not _is_universal(key)),
        include=tuple(dict.fromkeys(path for path in universal + included if _is_returned(path, level))),
        include_all="all" in fields,
        limit=_number(pairs, "limit"),
        offset=_number(pairs, "offset") or 0,
        fuzzy=_boolean(pairs, "fuzzymatching"),
    )


def _pairs(query: bytes) -> Pairs:
    try:
        return parse_qsl(query.decode(), keep_blank_values=True, errors="strict")
    except UnicodeDecodeError:
        raise InvalidParameter("query", "is no percent-encoded UTF-8") from None


def _keys(pairs: Pairs, level: Level, *, empty: bool, several: bool) -> Sequence[MatchingKey]:
    """Give a key for each attribute, one without values for universal matching; only UIDs may be repeated."""
    keys: dict[AttributePath, MatchingKey] = {}
    for name, text in pairs:
        if not looks_like_attribute(name):
            continue
        path = parse_path(name, name)
        if path == _MODALITY and level is Level.STUDY:
            path = _MODALITIES_IN_STUDY
        if empty and text == _NO_VALUE:
            if vr_of(path[-1]) in NOT_MATCHED:
                raise InvalidParameter(name, f"an attribute of VR {vr_of(path[-1])} cannot be matched")
            key = MatchingKey(path, (), Wanted.NOTHING)
        else:
            key = _key(path, text, name, several=several)
        if not _is_universal(key):
            _check_can_be_matched(path, level, name)
        if path in keys:
            if vr_of(path[-1]) != "UI" or Wanted.NOTHING in {key.wanted, keys[path].wanted}:
                raise InvalidParameter(name, "the attribute is given more than once")
            key = MatchingKey(path, keys[path].values + key.values)
        keys[path] = key
    return list(keys.values())


def _key(path: AttributePath, text: str, name: str, *, several: bool) -> MatchingKey:
    vr = vr_of(path[-1])
    if not text or (vr in WILDCARD_VRS and not text.strip("*")):
        return MatchingKey(path, ())
    values = [text]
    every = several and vr in _SEVERAL_VRS and is_multi_valued(path[-1])
    if vr in _LISTED_VRS or every:
        separators = _LIST if vr in _LISTED_VRS else _SEVERAL
        values = [value.strip() for value in separators.split(text) if value.strip()]
        if not values:
            raise InvalidParameter(name, "the list is empty")
    for value in values:
        check_matching_value(path[-1], value, name)
    if not every or len(values) == 1:
        return MatchingKey(path, tuple(values))
    if any(wildcard in value for value in values for wildcard in "*?"):
        raise InvalidParameter(name, "multiple value matching knows no wild cards")
    return MatchingKey(path, tuple(values), Wanted.EVERY)


def _is_universal(key: MatchingKey) -> bool:
    return not key.values and key.wanted is Wanted.ANY


def _check_can_be_matched(path: AttributePath, level: Level, name: str) -> None:
    if path[0] in NOT_SEARCHED or is_private(path):
        raise InvalidParameter(name, "the attribute cannot be matched")
    if level < level_of(path[0]):
        raise InvalidParameter(
            name,
            f"{keyword_of(path[0])} belongs to the {level_of(path[0]).value} level and this search to the"
            f" {level.value} level; search /{_RESOURCES[level_of(path[0])]} for it",
        )


def _is_returned(path: AttributePath, level: Level) -> bool:
    """Tell whether an attribute is part of an answer; of others nothing is said (PS3.18 10.6.3)."""
    return path[0] not in NOT_SEARCHED and not is_private(path) and level_of(path[0]) <= level


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
