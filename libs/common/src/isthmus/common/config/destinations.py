"""Where a C-MOVE of a DIMSE client may have instances sent."""

from collections.abc import Iterable

from isthmus.common.config.kinds import AETitle, Few, Host, Port, Seconds, Section
from isthmus.common.config.tls import PeerTls


class Destination(Section):
    """An application entity that takes C-STORE, known to clients by its AE title (PS3.4 C.4.2)."""

    ae_title: AETitle
    """The Move Destination that clients name; also how it is called."""
    host: Host
    """Its name or address."""
    port: Port
    """Where it listens."""
    associations: Few = 2
    """Most associations with it at one time, of each process."""
    timeout_seconds: Seconds = 30.0
    """Of silence, not in total."""
    tls: PeerTls | None = None
    """TLS with it; without this table everything is in clear."""


def check_destinations(destinations: Iterable[Destination]) -> None:
    """See that every AE title means one destination.

    Raises:
        ValueError: one means two.
    """
    known: set[str] = set()
    for number, one in enumerate(destinations):
        if one.ae_title in known:
            raise ValueError(f"scp.destinations[{number}].ae_title: {one.ae_title!r} is there twice")
        known.add(one.ae_title)
