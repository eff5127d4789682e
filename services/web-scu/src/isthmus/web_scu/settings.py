"""What of the settings the worker uses."""

from dataclasses import dataclass
from typing import Self

from isthmus.common.config import Inbox, Settings


@dataclass(frozen=True, slots=True)
class WebScuSettings:
    """The inboxes that the worker serves."""

    inboxes: tuple[Inbox, ...]
    base_url: str
    """Where clients reach the gateway."""

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Take them from the whole settings."""
        return cls(settings.inboxes, settings.gateway.base_url)
