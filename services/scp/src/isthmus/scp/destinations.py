"""Where C-MOVE sends: the application entities of the settings, each with a pool of associations."""

from collections.abc import Iterable

from isthmus.common.config.destinations import Destination
from isthmus.common.dimse import AssociationPool, Peer
from isthmus.common.dimse.own_slots import OwnSlots
from isthmus.common.dimse.tls import ClientTls
from isthmus.common.threads import Threads


class Route:
    """A destination, and the associations of this process with it."""

    def __init__(
        self, destination: Destination, tls: ClientTls | None, calling_ae_title: str, threads: Threads
    ) -> None:
        self.associations = destination.associations
        """Most at one time."""
        peer = Peer(
            origin=destination.ae_title,
            host=destination.host,
            port=destination.port,
            called_ae_title=destination.ae_title,
            calling_ae_title=calling_ae_title,
            timeout=destination.timeout_seconds,
            tls=tls,
        )
        self.pool = AssociationPool(peer, OwnSlots(destination.associations), threads)


class Destinations:
    """All of them, by AE title; their pools are there from the first use on.

    Raises:
        SettingsError: a certificate for TLS cannot be used.
    """

    def __init__(self, destinations: Iterable[Destination], calling_ae_title: str, threads: Threads) -> None:
        self._settings = {one.ae_title: one for one in destinations}
        self._tls = {title: _tls(one) for title, one in self._settings.items()}
        self._calling_ae_title = calling_ae_title
        self._threads = threads
        self._routes: dict[str, Route] = {}

    def __contains__(self, ae_title: str) -> bool:
        """Tell whether there is a destination of this name."""
        return ae_title in self._settings

    def route(self, ae_title: str) -> Route:
        """Give the way to a destination that there is; on the loop."""
        if ae_title not in self._routes:
            settings, tls = self._settings[ae_title], self._tls[ae_title]
            self._routes[ae_title] = Route(settings, tls, self._calling_ae_title, self._threads)
        return self._routes[ae_title]

    async def close(self) -> None:
        """End the associations that nobody uses, and keep none any more."""
        for route in self._routes.values():
            await route.pool.close()


def _tls(destination: Destination) -> ClientTls | None:
    if destination.tls is None:
        return None
    return ClientTls(destination.tls, destination.host, f"scp.destinations: {destination.ae_title}: tls")
