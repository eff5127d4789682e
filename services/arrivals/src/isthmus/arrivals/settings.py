"""What arrivals uses of the settings."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from isthmus.common.config import Conflicts, Inbox, Settings


@dataclass(frozen=True, slots=True)
class ArrivalsSettings:
    """The inboxes, and when what comes into them has arrived."""

    inboxes: Mapping[str, Inbox]
    """By their names."""
    quiet_seconds: float
    """For inboxes that say nothing of their own."""
    base_url: str
    """Where clients reach the gateway."""

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Take out what is needed here."""
        return cls(
            {inbox.name: inbox for inbox in settings.inboxes},
            settings.arrivals.quiet_seconds,
            settings.gateway.base_url,
        )

    def quiet_of(self, origin: str) -> float:
        """Give the quiet time of an inbox, in seconds; also of one that is in the settings no more."""
        inbox = self.inboxes.get(origin)
        if inbox is None or inbox.quiet_seconds is None:
            return self.quiet_seconds
        return inbox.quiet_seconds

    def conflicts_of(self, origin: str) -> Conflicts:
        """Tell which of several contents under one UID is read in an inbox."""
        inbox = self.inboxes.get(origin)
        return Conflicts.NEWEST if inbox is None else inbox.conflicts
