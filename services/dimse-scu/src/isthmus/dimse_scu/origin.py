"""A DIMSE origin as retrieve jobs see it: listed by C-FIND, pulled from by C-GET and C-MOVE."""

from isthmus.common.bus import Bus
from isthmus.common.config import DimseOrigin, Quirk
from isthmus.common.dimse import AssociationPool
from isthmus.common.messages import Retrieve
from isthmus.common.retrieving.delivery import Delivery
from isthmus.common.retrieving.listing import ListedSeries, Listing
from isthmus.common.threads import Threads
from isthmus.dimse_scu.children import list_instances, list_series
from isthmus.dimse_scu.pulls import DimsePulls


class DimseSource:
    """A `Source`: what each of its methods raises is said there."""

    def __init__(
        self, bus: Bus, pool: AssociationPool, threads: Threads, origin: DimseOrigin, ae_title: str
    ) -> None:
        """Prepare; the AE title is the move destination that the origin knows."""
        self._bus = bus
        self._pool = pool
        self._threads = threads
        self._origin = origin
        self._ae_title = ae_title

    @property
    def name(self) -> str:
        """As the settings name it."""
        return self._origin.name

    @property
    def timeout_seconds(self) -> float:
        """How long it may be silent."""
        return self._origin.timeout_seconds

    @property
    def at_once(self) -> int:
        """How many associations it allows."""
        return self._origin.associations

    async def list_series(self, wanted: Retrieve, *, priority: int = 0) -> list[ListedSeries]:
        """List the series of a study, or the one that is wanted."""
        counts = Quirk.WRONG_COUNTS not in self._origin.quirks
        return await list_series(self._pool, wanted, counts=counts, priority=priority)

    async def list_instances(
        self, wanted: Retrieve, series: ListedSeries, *, instance: str | None = None, priority: int = 0
    ) -> Listing:
        """List the instances of a series, or the one that is named."""
        return await list_instances(self._pool, wanted, series, instance=instance, priority=priority)

    def pulls(self, wanted: Retrieve, delivery: Delivery) -> DimsePulls:
        """Give the methods that are allowed, in their order."""
        return DimsePulls(
            self._bus, self._pool, self._threads, self._origin, self._ae_title, wanted, delivery
        )
