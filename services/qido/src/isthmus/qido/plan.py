"""How a search becomes queries of single levels, from the top down (PS3.4 C.4.1.2.1).

Baseline C-FIND takes keys of one level, and of the levels above nothing but their unique keys. So a search
that matches or returns attributes of several levels, or whose path leaves a level open, needs a query at each
of them, and those below are repeated for every match above. A level that the path names, and of which nothing
is asked, needs none.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final, Self

from isthmus.common.auth import Permit
from isthmus.common.dicom.attributes import AttributePath, tag_of, vr_of
from isthmus.common.dicom.json_model import DicomJson
from isthmus.common.dicom.levels import Level
from isthmus.common.dicom.matching import MatchingKey, Wanted
from isthmus.common.dicom.search_attributes import (
    DEFAULT_RETURN,
    OPTIONAL,
    REQUIRED_RETURN,
    UNIQUE_KEYS,
    level_of,
    uid_of,
)
from isthmus.common.messages import Query
from isthmus.qido.parameters import SearchParameters

_MODALITY: Final = (tag_of("Modality"),)
_MODALITIES_IN_STUDY: Final = (tag_of("ModalitiesInStudy"),)
_INSTANCE_AVAILABILITY: Final = tag_of("InstanceAvailability")


@dataclass(frozen=True, slots=True)
class Scope:
    """Where a search looks, and for what: its path."""

    origin: str
    level: Level
    """Of the resources it looks for."""
    uids: Mapping[Level, str]
    """The study, or the study and series, that it is confined to."""
    permits: Mapping[str, Permit] = field(default_factory=dict)
    """What may be seen, by the name of the origin, in the order of the settings; nothing of any other."""

    @property
    def permit(self) -> Permit:
        """What may be seen of the origin that it looks into."""
        return self.permits[self.origin]

    def at(self, origin: str) -> Self:
        """Look into one of the origins."""
        return replace(self, origin=origin)

    def attributes(self) -> DicomJson:
        """Give the UIDs of the path as the attributes that they are."""
        return {UNIQUE_KEYS[level]: {"vr": "UI", "Value": [uid]} for level, uid in self.uids.items()}


@dataclass(frozen=True, slots=True)
class Step:
    """The queries of one level."""

    level: Level
    keys: tuple[MatchingKey, ...]
    asked: tuple[AttributePath, ...]
    """What the origin is asked to return."""
    kept: frozenset[str]
    """What becomes part of the answer."""
    required: tuple[str, ...]
    """What is in the answer even if the origin left it out, then without a value (PS3.18 10.6.3)."""

    def query(self, origin: str, parent: DicomJson, *, fuzzy: bool) -> Query:
        """Make the query for the children of a match of the levels above, or of the path."""
        above = [
            MatchingKey((tag,), (uid,))
            for level, tag in UNIQUE_KEYS.items()
            if level <= self.level and (uid := uid_of(parent, level))
        ]
        return Query(origin, self.level, (*above, *self.keys), self.asked, fuzzy)

    def merge(self, parent: DicomJson, match: DicomJson) -> DicomJson:
        """Add what is kept of a match to what is known from the levels above."""
        merged = {**parent, **{tag: element for tag, element in match.items() if tag in self.kept}}
        for tag in self.required:
            merged.setdefault(tag, {"vr": vr_of(tag)})
        return merged


@dataclass(frozen=True, slots=True)
class Plan:
    """The queries of a search."""

    scope: Scope
    steps: tuple[Step, ...]
    """From the top down; one at least."""
    fuzzy: bool

    @classmethod
    def of(cls, scope: Scope, parameters: SearchParameters) -> Self:
        """Plan a search."""
        levels = [level for level in Level if level <= scope.level]
        steps = [
            _step(scope, parameters, level)
            for level in levels
            if level not in scope.uids or _concerns(parameters, level)
        ]
        return cls(scope, tuple(steps), parameters.fuzzy)

    @property
    def of_study(self) -> frozenset[str]:
        """The attributes of the study that become part of the answer."""
        kept = (step.kept for step in self.steps if step.level is Level.STUDY)
        return next(kept, frozenset())


def _concerns(parameters: SearchParameters, level: Level) -> bool:
    """Tell whether anything is asked of a level that the path names, beyond its UID."""
    included = [path for path in parameters.include if path != (UNIQUE_KEYS[level],)]
    return any(level_of(path[0]) is level for path in (*included, *(key.path for key in parameters.keys)))


def _step(scope: Scope, parameters: SearchParameters, level: Level) -> Step:
    keys = tuple(key for key in parameters.keys if level_of(key.path[0]) is level)
    wanted = [
        *(key.path for key in keys),
        *(path for path in parameters.include if level_of(path[0]) is level),
    ]
    is_open = level not in scope.uids
    if is_open:
        wanted += DEFAULT_RETURN[level]
    if is_open and parameters.include_all:
        wanted += OPTIONAL[level]
    kept = {path[0] for path in wanted}
    if level is not scope.level:
        # That a study is online says nothing about one of its instances.
        kept.discard(_INSTANCE_AVAILABILITY)
    # A worker derives ages, modalities and counts from the attributes that are always asked for.
    asked = tuple(dict.fromkeys((*DEFAULT_RETURN[level], *wanted)))
    if is_open and level is Level.STUDY:
        keys += _modalities(parameters)
    return Step(level, keys, asked, frozenset(kept), REQUIRED_RETURN[level] if is_open else ())


def _modalities(parameters: SearchParameters) -> tuple[MatchingKey, ...]:
    """Narrow the studies of a relational search by the modality of its series, to fan out over fewer."""
    if any(key.path == _MODALITIES_IN_STUDY for key in parameters.keys):
        return ()
    return tuple(
        MatchingKey(_MODALITIES_IN_STUDY, key.values)
        for key in parameters.keys
        if key.path == _MODALITY and key.wanted is Wanted.ANY
    )
