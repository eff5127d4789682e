"""Which rule of `arrivals.forward` matches what, and where it goes then."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from isthmus.common.config.arriving import Forward, ForwardUnit
from isthmus.common.dicom.attributes import tag_of
from isthmus.common.dicom.json_values import DicomJson
from isthmus.common.dicom.wildcards import compile_wildcards
from isthmus.common.inbox.state import StudyState
from isthmus.common.messages.events import InstanceEvent, StudyEvent

MODALITY: Final = tag_of("Modality")
_STUDY_DESCRIPTION: Final = tag_of("StudyDescription")


@dataclass(frozen=True, slots=True)
class Traits:
    """What rules look at, beside the modality."""

    inbox: str
    calling_ae_titles: tuple[str, ...]
    """Of all who sent something of it over DIMSE."""
    study_description: str

    @classmethod
    def of_event(cls, event: StudyEvent | InstanceEvent) -> "Traits":
        """Give those of what an event tells of."""
        callers = (
            event.calling_ae_titles
            if isinstance(event, StudyEvent)
            else tuple(filter(None, [event.calling_ae_title]))
        )
        return cls(event.origin, tuple(callers), text(event.attributes, _STUDY_DESCRIPTION))

    @classmethod
    def of_record(cls, state: StudyState) -> "Traits":
        """Give those of a study as it is now."""
        description = text(state.attributes, _STUDY_DESCRIPTION)
        return cls(state.origin, state.arrival.calling_ae_titles, description)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which instances of a study go to a destination."""

    modalities: frozenset[str] | None
    """None: all of them."""

    @classmethod
    def of(cls, modalities: Iterable[str] | None) -> "Wanted":
        """Give what is of some modalities; None: of all."""
        return cls(None if modalities is None else frozenset(modalities))

    @property
    def named(self) -> tuple[str, ...] | None:
        """The modalities in order; None: all."""
        return None if self.modalities is None else tuple(sorted(self.modalities))

    def takes(self, modality: str) -> bool:
        """Tell whether an instance of this modality goes there."""
        return self.modalities is None or modality.upper() in self.modalities

    def __or__(self, other: "Wanted") -> "Wanted":
        if self.modalities is None or other.modalities is None:
            return Wanted(None)
        return Wanted(self.modalities | other.modalities)

    def __and__(self, other: "Wanted") -> "Wanted":
        if self.modalities is None or other.modalities is None:
            return other if self.modalities is None else self
        return Wanted(self.modalities & other.modalities)


def routes(rules: Iterable[Forward], each: ForwardUnit, traits: Traits) -> Mapping[str, Wanted]:
    """Give where something goes by all rules of a unit together, and what of it.

    Nothing is forwarded to the inbox that it is in.
    """
    found: dict[str, Wanted] = {}
    for rule in rules:
        if rule.each is not each or not _matches(rule, traits):
            continue
        wanted = Wanted(frozenset(one.upper() for one in rule.modality) or None)
        for destination in rule.to:
            if destination != traits.inbox:
                found[destination] = found[destination] | wanted if destination in found else wanted
    return found


def text(attributes: DicomJson, tag: str) -> str:
    """Give the first value of an element as text, without the blanks around it; nothing if it has none."""
    element = attributes.get(tag)
    values = element.get("Value") if element else None
    first = values[0] if values else None
    return first.strip() if isinstance(first, str) else ""


def _matches(rule: Forward, traits: Traits) -> bool:
    if rule.inbox is not None and rule.inbox != traits.inbox:
        return False
    if rule.calling_ae_title is not None and not any(
        _fits(rule.calling_ae_title, title) for title in traits.calling_ae_titles
    ):
        return False
    return rule.study_description is None or _fits(rule.study_description, traits.study_description)


def _fits(pattern: str, value: str) -> bool:
    return compile_wildcards(pattern.casefold()).fullmatch(value.casefold()) is not None
