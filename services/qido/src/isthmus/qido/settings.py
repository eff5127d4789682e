"""What qido uses of the settings."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from isthmus.common.config import Origin, Settings
from isthmus.common.dicomweb.resource import ALL
from isthmus.common.errors import UnknownOrigin


@dataclass(frozen=True, slots=True)
class QidoSettings:
    """The origins that there are, and the limits of a search."""

    origins: Mapping[str, Origin]
    """By name, in the order of the settings file."""
    max_matches: int
    """Most matches in one answer."""
    max_parents: int
    """Most studies, and most series, that a relational search fans out over."""
    no_matches: int
    """The HTTP status of a search that finds nothing."""

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Take out what is needed here."""
        return cls(
            origins={origin.name: origin for origin in settings.origins},
            max_matches=settings.search.max_matches,
            max_parents=settings.search.max_parents,
            no_matches=settings.search.no_matches,
        )

    def require_origin(self, name: str) -> None:
        """Make sure that an origin is configured; `ALL` always is.

        Raises:
            UnknownOrigin: it is not.
        """
        if name != ALL:
            self.origin(name)

    def origin(self, name: str) -> Origin:
        """Give an origin.

        Raises:
            UnknownOrigin: no such origin is configured.
        """
        try:
            return self.origins[name]
        except KeyError:
            raise UnknownOrigin(name) from None
