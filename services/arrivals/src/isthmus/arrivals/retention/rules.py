"""Which studies need not stay, as far as their records and the settings tell."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from isthmus.arrivals.forwarding.rules import MODALITY, Traits, Wanted, routes, text
from isthmus.arrivals.retention.records import Record
from isthmus.common.bus.streams import EVENTS_SECONDS
from isthmus.common.bus.subjects import token
from isthmus.common.config import Settings
from isthmus.common.config.arriving import ForwardUnit
from isthmus.common.inbox.state import Phase, StudyState
from isthmus.common.messages import Forwarded

TOMBSTONE_SECONDS: Final = EVENTS_SECONDS
"""As long as an event of a former life may be read, its study's record tells that it is one."""
_DAY: Final = 86_400.0
_INSTANCE: Final = "instance"
"""The conflict of several contents under one UID, of which only one was forwarded."""


class Fate(StrEnum):
    """What is to become of a study."""

    STAYS = "stays"
    AGED = "aged"
    """Nothing came for `keep_days`."""
    FORWARDED = "forwarded"
    """It may be at all the origins that it is forwarded to: `is_everywhere` tells."""
    TOMBSTONE = "tombstone"
    """It was deleted so long ago that its record may go."""


class Judge:
    """Applies the settings to records."""

    def __init__(self, settings: Settings) -> None:
        self._rules = settings.arrivals.forward
        self._inboxes = {inbox.name: inbox for inbox in settings.inboxes}
        self._of_interest = {
            token(inbox.name)
            for inbox in self._inboxes.values()
            if inbox.keep_days is not None or inbox.delete_forwarded
        }

    def is_of_interest(self, inbox: str, age: float) -> bool:
        """Tell whether a record of an inbox, by its token, is worth reading at this age in seconds."""
        return inbox in self._of_interest or age > TOMBSTONE_SECONDS

    def fate(self, record: Record, now: float) -> Fate:
        """Tell what is to become of a study at a time, in seconds since 1970."""
        state = record.versioned.state
        if state.contents is None:
            is_old = now - record.written > TOMBSTONE_SECONDS
            return Fate.TOMBSTONE if is_old and not state.removals else Fate.STAYS
        inbox = self._inboxes.get(state.origin)
        if inbox is None or not _is_announced(state):
            return Fate.STAYS
        if inbox.keep_days is not None and now - state.arrival.last_stored > inbox.keep_days * _DAY:
            return Fate.AGED
        if inbox.delete_forwarded and _INSTANCE not in state.arrival.conflicts and self._goes(state):
            return Fate.FORWARDED
        return Fate.STAYS

    def is_everywhere(self, state: StudyState, went: Mapping[str, Forwarded]) -> bool:
        """Tell whether a study is wherever it is to be, when nothing of it is on its way any more.

        Args:
            state: its record.
            went: how it went where.
        """
        if any(forwarded.is_lacking for forwarded in went.values()):
            return False
        wanted = self._wanted(state)
        return bool(wanted) and all(_is_at(state, its, went.get(name)) for name, its in wanted.items())

    def _goes(self, state: StudyState) -> bool:
        """Tell whether every series of a study goes somewhere."""
        wanted = self._wanted(state).values()
        return all(any(its.takes(modality) for its in wanted) for modality in _modalities(state))

    def _wanted(self, state: StudyState) -> Mapping[str, Wanted]:
        return routes(self._rules, ForwardUnit.STUDY, Traits.of_record(state))


def _is_at(state: StudyState, wanted: Wanted, went: Forwarded | None) -> bool:
    """Tell whether all that is wanted of a study was sent to a destination, by the rules of each time."""
    if went is None or went.revision < state.arrival.revision:
        return False
    sent = Wanted.of(went.modalities)
    return all(sent.takes(modality) for modality in _modalities(state) if wanted.takes(modality))


def _modalities(state: StudyState) -> list[str]:
    """Give the Modality of each series; nothing where it has none."""
    return [text(series.attributes, MODALITY) for series in state.series]


def _is_announced(state: StudyState) -> bool:
    """Tell whether all that is there was announced."""
    arrival = state.arrival
    return arrival.phase is Phase.SETTLED and arrival.announced == state.contents and not state.removals
