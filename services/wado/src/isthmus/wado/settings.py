"""What wado uses of the settings."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from isthmus.common.config import Origin, Settings
from isthmus.common.config.settings import Pixels
from isthmus.common.dicomweb.resource import ALL
from isthmus.common.errors import UnknownOrigin


@dataclass(frozen=True, slots=True)
class WadoSettings:
    """The origins that there are, and how long what is held of them is fresh."""

    origins: Mapping[str, Origin]
    """By name, in the order of the settings file."""
    inboxes: frozenset[str]
    """Those of them that are inboxes."""
    buckets: frozenset[str]
    """Those that are buckets."""
    prefetch: frozenset[str]
    """Those of which the rest of a study follows when one of its series is opened."""
    fresh_seconds: float
    pixels: Pixels
    max_frames: int
    """That one URL may list."""

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Take out what is needed here."""
        return cls(
            {origin.name: origin for origin in settings.origins},
            frozenset(inbox.name for inbox in settings.inboxes),
            frozenset(bucket.name for bucket in settings.s3_origins),
            frozenset(origin.name for origin in settings.origins if origin.prefetch),
            settings.cache.fresh_seconds,
            settings.pixels,
            settings.limits.max_frames,
        )

    def require_origin(self, name: str) -> None:
        """Make sure that an origin is configured; `ALL` always is.

        Raises:
            UnknownOrigin: it is not.
        """
        if name != ALL and name not in self.origins:
            raise UnknownOrigin(name)
