"""What of the settings this service uses."""

from dataclasses import dataclass
from typing import Self

from isthmus.common.config import DimseOrigin, ListenAddress, Settings


@dataclass(frozen=True, slots=True)
class ScpSettings:
    """Who we are, and who may store."""

    ae_title: str
    listen: ListenAddress
    origins: tuple[DimseOrigin, ...]

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Take them from all settings."""
        pacs = tuple(origin for origin in settings.origins if isinstance(origin, DimseOrigin))
        return cls(settings.scp.ae_title, ListenAddress(settings.scp.listen), pacs)
