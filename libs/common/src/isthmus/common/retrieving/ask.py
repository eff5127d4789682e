"""What an origin is asked for at one time: a study, a series, or instances of one series."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from isthmus.common.dicom.levels import Level
from isthmus.common.retrieving.listing import Listed

UIDS_AT_ONCE: Final = 200
"""Longest list of UIDs in one question."""


@dataclass(frozen=True, slots=True)
class Ask:
    """A series, instances of one series, or a whole study."""

    level: Level
    study: str
    series: str
    """Empty at STUDY level."""
    instances: tuple[Listed, ...] = ()
    """At IMAGE level those that are asked for, above it those that are known to be in it."""
    modalities: tuple[str, ...] = ()
    """Where no instance is known: the modality of the series, then those of others that are yet to come."""

    @classmethod
    def for_instances(cls, study: str, instances: Iterable[Listed]) -> "Ask":
        """Ask for instances of one series by their UIDs."""
        instances = tuple(instances)
        series = instances[0].series_instance_uid
        return cls(Level.IMAGE, study, series, instances)

    @classmethod
    def for_series(cls, study: str, series: str, instances: Iterable[Listed]) -> "Ask":
        """Ask for a series of which it is known what is in it."""
        return cls(Level.SERIES, study, series, tuple(instances))

    @classmethod
    def for_unlisted(cls, study: str, series: str, modalities: Iterable[str]) -> "Ask":
        """Ask for a series of which nothing is known but its modality, the first of these."""
        return cls(Level.SERIES, study, series, modalities=tuple(modalities))

    @classmethod
    def for_study(cls, study: str, instances: Iterable[Listed]) -> "Ask":
        """Ask for a study, for the sake of these instances."""
        return cls(Level.STUDY, study, "", tuple(instances))

    @classmethod
    def by_uids(cls, study: str, instances: Sequence[Listed]) -> "Iterator[Ask]":
        """Ask for instances of one series by their UIDs, however many they are."""
        for start in range(0, len(instances), UIDS_AT_ONCE):
            yield cls.for_instances(study, instances[start : start + UIDS_AT_ONCE])
