"""What stow uses of the settings."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Self

from isthmus.common.config import Settings
from isthmus.common.dicomweb.multipart_in import PartLimits
from isthmus.common.dicomweb.resource import ALL
from isthmus.common.errors import Forbidden, NoDestination, UnknownOrigin


@dataclass(frozen=True, slots=True)
class StowSettings:
    """The origins that there are, which of them takes what is stored at all of them, and what is too much."""

    origins: tuple[str, ...]
    inboxes: frozenset[str]
    """Those of the origins that are inboxes."""
    default: str | None
    most_frame_bytes: int
    """Of a picture that must be decoded to be stored."""
    most_metadata_bytes: int
    """Of all metadata of a request."""
    part_limits: PartLimits

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Take out what is needed here."""
        return cls(
            tuple(origin.name for origin in settings.origins),
            frozenset(inbox.name for inbox in settings.inboxes),
            settings.dicomweb.store,
            settings.pixels.max_frame_bytes,
            settings.limits.max_metadata_bytes,
            PartLimits(
                settings.limits.max_part_headers,
                settings.limits.max_part_header_bytes,
                settings.limits.max_parts,
            ),
        )

    def destination(self, name: str, allowed: Collection[str]) -> str:
        """Give the origin that takes what is stored at an origin, or at `ALL`.

        Args:
            name: the origin's, or `ALL`.
            allowed: where the client may store.

        Raises:
            UnknownOrigin: it is not configured.
            Forbidden: the one that takes what is stored at `ALL` is not open to the client.
            NoDestination: of several origins none is set to take what is stored at `ALL`.
        """
        if name != ALL:
            if name not in self.origins:
                raise UnknownOrigin(name)
            return name
        origins = [origin for origin in self.origins if origin in allowed]
        if self.default is None and len(origins) == 1:
            return origins[0]
        if self.default in self.origins and self.default not in origins:
            raise Forbidden("What is stored at all origins goes where you may not store")
        if self.default not in origins:
            raise NoDestination(
                "Several origins could take it, or none: the setting dicomweb.store names the one that does"
            )
        return self.default
