"""What of the settings the worker uses."""

from dataclasses import dataclass
from typing import Self

from isthmus.common.config import DimseOrigin, Settings


@dataclass(frozen=True, slots=True)
class DimseScuSettings:
    """The origins that the worker talks to, and as whom."""

    origins: tuple[DimseOrigin, ...]
    ae_title: str
    """Our calling AE title, and the move destination that the origins know."""

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Take them from the whole settings."""
        return cls(settings.dimse_origins, settings.scp.ae_title)
