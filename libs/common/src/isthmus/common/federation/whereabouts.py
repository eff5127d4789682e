"""Where a study is, and what is to be read where, so that each instance is read once and none is left out."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Self

from isthmus.common.federation.asking import Silence
from isthmus.common.messages import MissingInstance, Retrieve

Contents = Mapping[str, frozenset[str]]
"""The SOP Instance UIDs that an origin lists and can deliver, by Series Instance UID."""
Holders = Mapping[str, frozenset[str] | None]
"""Which origins have a series: all of it that any has (None), or only some instances."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A study, a series or an instance, wherever it is."""

    study: str
    series: str | None = None
    instance: str | None = None

    def at(self, origin: str) -> Retrieve:
        """Want it of one origin."""
        return Retrieve(origin, self.study, self.series, self.instance)


@dataclass(frozen=True, slots=True)
class Listing:
    """What several origins list of one study."""

    by_origin: Mapping[str, frozenset[str]]
    """The series of each origin, in the order of the settings."""
    by_series: Mapping[str, Holders]

    @classmethod
    def of(cls, contents: Mapping[str, Contents]) -> Self:
        """Compare what they list; they come in the order of the settings."""
        uids = dict.fromkeys(uid for content in contents.values() for uid in content)
        having = {uid: {origin: one[uid] for origin, one in contents.items() if uid in one} for uid in uids}
        return cls(
            {origin: frozenset(content) for origin, content in contents.items()},
            {uid: _holders(origins) for uid, origins in having.items()},
        )

    def plan(self, wanted: Wanted) -> Iterator[Retrieve]:
        """Give what is to be read where, in the order of the settings; nothing where none lists it."""
        if wanted.series is None:
            yield from self._plan_of_study(wanted)
        elif wanted.instance is None:
            yield from (wanted.at(origin) for origin in _sources(self.by_series.get(wanted.series, {})))
        else:
            yield from (wanted.at(origin) for origin in self._having(wanted.series, wanted.instance)[:1])

    def _plan_of_study(self, wanted: Wanted) -> Iterator[Retrieve]:
        for origin in self.by_origin:
            if all(origin in _whole(holders) for holders in self.by_series.values()):
                yield wanted.at(origin)
                return
        sources = {uid: _sources(holders) for uid, holders in self.by_series.items()}
        for origin, listed in self.by_origin.items():
            series = [uid for uid, origins in sources.items() if origin in origins]
            if listed.issubset(series):
                yield wanted.at(origin)
            else:
                yield from (Retrieve(origin, wanted.study, uid) for uid in series)

    def can_spare(self, origin: str, wanted: Wanted) -> bool:
        """Tell whether the others have all that an origin has of what is wanted."""
        if wanted.series is None:
            return all(_can_spare(holders, origin) for holders in self.by_series.values())
        if wanted.instance is None:
            return _can_spare(self.by_series.get(wanted.series, {}), origin)
        return any(other != origin for other in self._having(wanted.series, wanted.instance))

    def without(self, origin: str) -> Self:
        """Leave out an origin."""
        return replace(
            self,
            by_origin={name: series for name, series in self.by_origin.items() if name != origin},
            by_series={
                uid: others
                for uid, holders in self.by_series.items()
                if (others := {name: uids for name, uids in holders.items() if name != origin})
            },
        )

    def is_elsewhere(self, missing: MissingInstance, origin: str) -> bool:
        """Tell whether what an origin lacks is read from another."""
        holders = self.by_series.get(missing.series_instance_uid, {})
        others = (holders[other] for other in _sources(holders) if other != origin)
        return any(uids is not None and missing.sop_instance_uid in uids for uids in others)

    def _having(self, series: str, instance: str) -> list[str]:
        holders = self.by_series.get(series, {})
        return [origin for origin, uids in holders.items() if uids is None or instance in uids]


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """The origins that have a study, as they answered."""

    origins: tuple[str, ...]
    """Those that have anything of it, in the order of the settings."""
    silent: tuple[Silence, ...] = ()
    """Those of which nobody knows."""
    listing: Listing | None = None
    """What they list, where several have the study."""

    def plan(self, wanted: Wanted) -> tuple[Retrieve, ...]:
        """Give what is to be read where, in the order of the settings; nothing where no origin has it.

        The first origin that has all of it will do. Otherwise it takes several: each series comes from the
        first that has all of it; where none has, from all that have some.
        """
        if self.listing is not None:
            return tuple(self.listing.plan(wanted))
        return tuple(wanted.at(origin) for origin in self.origins)

    def without(self, origin: str, wanted: Wanted) -> Self | None:
        """Leave out an origin; None where the others have not all that it has of what is wanted."""
        if self.listing is None or not self.listing.can_spare(origin, wanted):
            return None
        others = tuple(other for other in self.origins if other != origin)
        return replace(self, origins=others, listing=self.listing.without(origin))


def _holders(having: Mapping[str, frozenset[str]]) -> Holders:
    everything = frozenset[str]().union(*having.values())
    return {origin: None if uids == everything else uids for origin, uids in having.items()}


def _sources(holders: Holders) -> Sequence[str]:
    """Give the origins from which a series is read."""
    return _whole(holders)[:1] or list(holders)


def _whole(holders: Holders) -> list[str]:
    return [origin for origin, uids in holders.items() if uids is None]


def _can_spare(holders: Holders, origin: str) -> bool:
    return origin not in holders or any(other != origin for other in _whole(holders))
