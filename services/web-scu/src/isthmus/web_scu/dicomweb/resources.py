"""Queries as searches of a DICOMweb server (PS3.18 10.6): which resources, and their parameters."""

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import product
from math import prod
from typing import Final, Self

from isthmus.common.dicom.attributes import AttributePath, is_private, tag_of, vr_of
from isthmus.common.dicom.levels import Level
from isthmus.common.dicom.matching import WILDCARD_VRS, MatchingKey, Wanted
from isthmus.common.dicom.narrowing import narrowing_value
from isthmus.common.dicom.search_attributes import (
    NOT_SEARCHED,
    REQUIRED_MATCHING,
    REQUIRED_RETURN,
    UNIQUE_KEYS,
    level_of,
)
from isthmus.common.dicom.summaries import SUMMED_UP
from isthmus.common.dicom.uids import check_uid
from isthmus.common.dicom.wildcards import is_universal
from isthmus.common.errors import InvalidParameter, TooManyMatches
from isthmus.common.messages import Query
from isthmus.common.webclient import NOT_ESCAPED

UIDS_AT_ONCE: Final = 50
"""Longest list of UIDs in one URL."""
RESOURCES_AT_MOST: Final = 5_000
"""Series, or studies, that one query may name."""
VALUES_AT_MOST: Final = 8
"""Of a key that is asked for value by value."""
RESOURCE_NAMES: Final = {Level.STUDY: "studies", Level.SERIES: "series", Level.IMAGE: "instances"}

Parameter = tuple[str, str]
"""A name and a value, neither of them encoded yet."""

_ESCAPED: Final = re.compile(rf"[^A-Za-z0-9._~{re.escape(NOT_ESCAPED)}-][^A-Za-z0-9]*")
"""A stretch that begins with a character that is escaped; wild cards in it would only be repeated."""
_PADDING: Final = " \0"
_COUNTED: Final = SUMMED_UP | {tag_of("NumberOfSeriesRelatedInstances")}
"""Some servers work them out only for whoever asks, though they have to be returned."""
_REQUIRED: Final = frozenset(path for paths in REQUIRED_MATCHING.values() for path in paths)


@dataclass(frozen=True, slots=True)
class Search:
    """One search of a server: a resource and its parameters, but for the page."""

    query: Query
    """What of the query it answers."""
    path: str
    """Below the server's base URL."""
    matching: tuple[tuple[AttributePath, str], ...] = ()
    """What the server is to match."""
    included: tuple[str, ...] = ()
    """Tags that it is to return beside those that it has to."""
    uids: tuple[str, ...] = ()
    """The resources of its own level that it is confined to; none: it is not."""
    is_relational: bool = False
    """Whether its path leaves a level open: a server need not know such resources (PS3.18 10.6.1.1)."""

    def parameters(self) -> tuple[Parameter, ...]:
        """Give the parameters; tags stand for attributes, since a server may not know every keyword."""
        named = [(".".join(path), value) for path, value in self.matching]
        if self.uids:
            named.append((UNIQUE_KEYS[self.query.level], ",".join(self.uids)))
        if self.included:
            named.append(("includefield", ",".join(self.included)))
        return tuple(named)

    def plain(self) -> Self:
        """Give the search that every server understands: of what it must be able to match, nothing more."""
        matching = tuple((path, value) for path, value in self.matching if path in _REQUIRED)
        return replace(self, matching=matching, included=())

    def loosened(self) -> Self | None:
        """Give the search with wild cards for what is escaped in a URL; None where nothing is.

        A value of which nothing else is left, or which knows no wild cards, is not sent.
        """
        if not any(_ESCAPED.search(value) for _, value in self.matching):
            return None
        loose = ((path, _loosened(path, value)) for path, value in self.matching)
        return replace(self, matching=tuple(one for one in loose if not is_universal(one[1])))

    def only(self, uid: str) -> Self:
        """Give the search for one of the resources."""
        return replace(self, uids=(uid,))


def _loosened(path: AttributePath, value: str) -> str:
    if vr_of(path[-1]) in WILDCARD_VRS:
        return _ESCAPED.sub("*", value)
    return "" if _ESCAPED.search(value) else value


def searches_of(query: Query) -> list[Search]:
    """Give the searches whose answers together have all matches of a query, some twice, and perhaps others.

    None where the query names only what no URL can name: a DICOMweb server has no such object.

    Raises:
        TooManyMatches: it names more series than can be asked one by one.
    """
    named = {level: named_uids(query, level) for level in Level if level <= query.level}
    if any(uids == () for uids in named.values()):
        return []
    own = named.pop(query.level) or ()
    confined = {level: uids for level, uids in named.items() if uids is not None}
    chunks = [own[first : first + UIDS_AT_ONCE] for first in range(0, len(own), UIDS_AT_ONCE)] or [()]
    if prod(map(len, (chunks, *confined.values()))) > RESOURCES_AT_MOST:
        raise TooManyMatches(f"The query names more than {RESOURCES_AT_MOST} resources: name fewer at a time")
    without, included = {query.level, *confined}, _included(query)
    found = []
    for parents in product(*confined.values()):
        above = dict(zip(confined, parents, strict=True))
        path, rest = _path(query.level, above)
        is_relational = path.count("/") != 2 * query.level.depth
        found += [
            Search(
                _confined(one, above), path, (*rest, *_matching(one, without)), included, uids, is_relational
            )
            for one in _alternatives(query)
            for uids in chunks
        ]
    return found


def matched_here(query: Query) -> frozenset[str]:
    """Give what is matched here alone of what a server has to return: it is empty where a match lacks it."""
    return frozenset(
        key.path[0]
        for key in query.keys
        if key.path[0] in REQUIRED_RETURN[query.level]
        and vr_of(key.path[0]) != "UI"
        and not narrowing_value(key, fuzzy=query.fuzzy)
    )


def _confined(query: Query, parents: Mapping[Level, str]) -> Query:
    """Confine a query to one study, to one series."""
    above = {(UNIQUE_KEYS[level],): uid for level, uid in parents.items()}
    keys = (MatchingKey(key.path, (above[key.path],)) if key.path in above else key for key in query.keys)
    return replace(query, keys=tuple(keys))


def named_uids(query: Query, level: Level) -> tuple[str, ...] | None:
    """Give the UIDs that a query names at a level; None where it names none there.

    What no URL can name is left out, and so is a UID with wild cards, which match nothing (PS3.4 C.2.2.2.4).
    """
    for key in query.keys:
        if key.path != (UNIQUE_KEYS[level],) or key.wanted is not Wanted.ANY or not key.values:
            continue
        if any(is_universal(value.strip(_PADDING)) for value in key.values):
            continue
        found = []
        for value in key.values:
            with suppress(InvalidParameter):
                found.append(check_uid(value.strip(_PADDING), "UID"))
        return tuple(dict.fromkeys(found))
    return None


def _alternatives(query: Query) -> list[Query]:
    """Give queries that a server can match, and that have all matches of one that it cannot.

    Only UIDs may come as a list (PS3.18 8.3.4.1). Of the keys with several values, the first with few of them
    is asked for value by value, so that not all that a server has comes over here to be matched.
    """
    for place, key in enumerate(query.keys):
        if key.wanted is not Wanted.ANY or not 1 < len(key.values) <= VALUES_AT_MOST:
            continue
        single = [replace(key, values=(value,)) for value in dict.fromkeys(key.values)]
        if vr_of(key.path[-1]) != "UI" and all(narrowing_value(one, fuzzy=query.fuzzy) for one in single):
            return [
                replace(query, keys=(*query.keys[:place], one, *query.keys[place + 1 :])) for one in single
            ]
    return [query]


def _path(level: Level, parents: Mapping[Level, str]) -> tuple[str, tuple[tuple[AttributePath, str], ...]]:
    """Give a resource, and what is to be matched of the UIDs above it: a series alone can be no path."""
    name = RESOURCE_NAMES[level]
    if level is Level.IMAGE and Level.STUDY not in parents:
        return name, tuple(((UNIQUE_KEYS[above],), uid) for above, uid in parents.items())
    segments = [f"{RESOURCE_NAMES[above]}/{uid}" for above, uid in parents.items()]
    return "/".join([*segments, name]), ()


def _matching(query: Query, without: set[Level]) -> tuple[tuple[AttributePath, str], ...]:
    """Give what the server is to match, beside the UIDs of these levels."""
    unique = {(UNIQUE_KEYS[level],) for level in without}
    found = []
    for key in query.keys:
        if key.path in unique or key.path[0] in NOT_SEARCHED or is_private(key.path):
            continue
        value = sent_value(key, fuzzy=query.fuzzy)
        if value:
            found.append((key.path, value))
    return tuple(found)


def sent_value(key: MatchingKey, *, fuzzy: bool) -> str:
    """Give what a server is sent of a key; empty where only we match it."""
    if vr_of(key.path[-1]) == "UI":
        values = [value.strip(_PADDING) for value in key.values]
        # A list of other UIDs than its own is not each server's; it is matched here all the same.
        return values[0] if len(values) == 1 and not is_universal(values[0]) else ""
    return narrowing_value(key, fuzzy=fuzzy)


def _included(query: Query) -> tuple[str, ...]:
    """Give the attributes that the server is asked for: to be returned, or to be matched here again.

    A lower level's are not returned (PS3.18 10.6.3.3), and might be refused.
    """
    returned = [path for path in query.return_keys if level_of(path[0]) <= query.level]
    given = {*UNIQUE_KEYS.values(), *REQUIRED_RETURN[query.level], *NOT_SEARCHED} - _COUNTED
    paths: list[AttributePath] = [*returned, *(key.path for key in query.keys)]
    wanted = dict.fromkeys(path[0] for path in paths if not is_private(path))
    return tuple(tag for tag in wanted if tag not in given)
