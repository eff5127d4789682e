"""What of the settings the worker uses."""

from dataclasses import dataclass
from typing import Self

from isthmus.common.config import DicomwebOrigin, Inbox, S3Origin, Settings


@dataclass(frozen=True, slots=True)
class WebScuSettings:
    """The origins that the worker serves."""

    inboxes: tuple[Inbox, ...]
    dicomweb_servers: tuple[DicomwebOrigin, ...]
    buckets: tuple[S3Origin, ...]
    base_url: str
    """Where clients reach the gateway."""
    max_parents: int
    """Most studies, and most series, that a relational search of a DICOMweb server is repeated for."""

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Take them from the whole settings."""
        return cls(
            inboxes=settings.inboxes,
            dicomweb_servers=tuple(one for one in settings.origins if isinstance(one, DicomwebOrigin)),
            buckets=settings.s3_origins,
            base_url=settings.gateway.base_url,
            max_parents=settings.search.max_parents,
        )
