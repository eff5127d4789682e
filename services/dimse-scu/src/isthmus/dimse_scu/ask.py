"""What one C-GET or C-MOVE asks for."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from pydicom import Dataset

from isthmus.common.dicom.levels import Level
from isthmus.common.dimse import classes_of
from isthmus.dimse_scu.identifier import retrieve_identifier
from isthmus.dimse_scu.listing import Listed
from isthmus.dimse_scu.uids import can_be_proposed

UIDS_AT_ONCE: Final = 200
"""Longest list of UIDs in one identifier."""


@dataclass(frozen=True, slots=True)
class Ask:
    """A series, instances of one series, or a whole study."""

    level: Level
    study: str
    series: str
    """Empty at STUDY level."""
    classes: tuple[str, ...]
    """The SOP classes that may come."""
    instances: tuple[Listed, ...] = ()
    """At IMAGE level those that are asked for, above it those that are known to be in it."""

    @classmethod
    def for_instances(cls, study: str, instances: Iterable[Listed]) -> "Ask":
        """Ask for instances of one series by their UIDs."""
        instances = tuple(instances)
        series = instances[0].series_instance_uid
        return cls(Level.IMAGE, study, series, sop_classes(instances), instances)

    @classmethod
    def for_series(cls, study: str, series: str, instances: Iterable[Listed]) -> "Ask":
        """Ask for a series of which it is known what is in it."""
        instances = tuple(instances)
        return cls(Level.SERIES, study, series, sop_classes(instances), instances)

    @classmethod
    def for_study(cls, study: str, instances: Iterable[Listed]) -> "Ask":
        """Ask for a study, for the sake of these instances."""
        instances = tuple(instances)
        return cls(Level.STUDY, study, "", sop_classes(instances), instances)

    @classmethod
    def by_uids(cls, study: str, instances: Sequence[Listed]) -> "Iterator[Ask]":
        """Ask for instances of one series by their UIDs, however many they are."""
        for start in range(0, len(instances), UIDS_AT_ONCE):
            yield cls.for_instances(study, instances[start : start + UIDS_AT_ONCE])

    def identifier(self) -> Dataset:
        """Write it as Identifier (PS3.4 C.4.2.1.4)."""
        uids = (listed.sop_instance_uid for listed in self.instances)
        return retrieve_identifier(self.level, self.study, self.series or None, uids)


def sop_classes(instances: Iterable[Listed]) -> tuple[str, ...]:
    """Give the SOP classes, guessed from the modality where the origin does not tell."""
    classes: dict[str, None] = {}
    for listed in instances:
        known = can_be_proposed(listed.sop_class_uid)
        names = (listed.sop_class_uid,) if known else classes_of((listed.modality,))
        classes.update(dict.fromkeys(names))
    return tuple(classes)


def tells_classes(modality: str) -> bool:
    """Tell whether SOP classes can be guessed from a modality; secondary captures are in any study."""
    return modality == "SC" or len(classes_of((modality,))) > len(classes_of(()))
