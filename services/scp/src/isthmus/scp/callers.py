"""Who may store: the configured origins, known by their AE titles."""

from collections.abc import Iterable

from isthmus.common.config import DimseOrigin


class Callers:
    """The origins by AE title; one PACS may be configured as several origins."""

    def __init__(self, origins: Iterable[DimseOrigin]) -> None:
        self._names: dict[str, tuple[str, ...]] = {}
        for origin in origins:
            self._names[origin.ae_title] = (*self._names.get(origin.ae_title, ()), origin.name)

    def origins_of(self, calling_ae_title: str) -> tuple[str, ...]:
        """Give the names of the origins with this AE title; blanks at its ends mean nothing (PS3.5 6.2)."""
        return self._names.get(calling_ae_title.strip(), ())
