"""A DICOMweb server as retrieve jobs see it: listed by QIDO-RS, pulled from by WADO-RS."""

from collections.abc import Coroutine
from typing import TypeVar

from isthmus.common.messages import Retrieve
from isthmus.common.retrieving.delivery import Delivery
from isthmus.common.retrieving.listing import ListedSeries, Listing
from isthmus.common.retrieving.wording import Wording
from isthmus.common.threads import Threads
from isthmus.common.webclient import WebClient
from isthmus.web_scu.dicomweb.accepting import Accepting
from isthmus.web_scu.dicomweb.asking import Asking
from isthmus.web_scu.dicomweb.cancellation import Cancellation
from isthmus.web_scu.dicomweb.listing import list_instances, list_series
from isthmus.web_scu.dicomweb.wado import Wado

R = TypeVar("R")


class DicomwebSource:
    """A `Source`: what each of its methods raises is said there.

    Requests have no priority: what nobody waits for takes one connection at a time.
    """

    def __init__(self, client: WebClient, asking: Asking, threads: Threads) -> None:
        """Prepare.

        Args:
            client: speaks with the server.
            asking: how it is searched.
            threads: where waiting for room, and writing of files, blocks; as many as there are connections.
        """
        self._client = client
        self._asking = asking
        self._threads = threads
        self._accepting = Accepting(client.origin.name)

    @property
    def name(self) -> str:
        """As the settings name it."""
        return self._client.origin.name

    @property
    def timeout_seconds(self) -> float:
        """How long it may be silent."""
        return self._client.origin.timeout_seconds

    @property
    def at_once(self) -> int:
        """How many requests it takes at one time."""
        return self._client.origin.connections

    async def list_series(self, wanted: Retrieve, *, priority: int = 0) -> list[ListedSeries]:
        """List the series of a study, or the one that is wanted."""
        return await list_series(self._asking, wanted)

    async def list_instances(
        self,
        wanted: Retrieve,
        series: ListedSeries,
        *,
        instance: str | None = None,
        priority: int = 0,
    ) -> Listing:
        """List the instances of a series, or the one that is named."""
        return await list_instances(self._asking, wanted, series, instance)

    def pulls(self, _: Retrieve, delivery: Delivery) -> "WadoPulls":
        """Give the one way that there is."""
        return WadoPulls(self._client, self._threads, self._accepting, delivery)


class WadoPulls:
    """The way in which a job may retrieve."""

    def __init__(self, client: WebClient, threads: Threads, accepting: Accepting, delivery: Delivery) -> None:
        self._cancellation = Cancellation(client.origin.name)
        self.first = Wado(client, threads, delivery, self._cancellation, accepting, Wording())
        self.steps = (self.first,)

    @property
    def cancelled(self) -> bool:
        """Whether `cancel` was called."""
        return self._cancellation.requested

    def cancel(self) -> None:
        """End the requests that run."""
        self._cancellation.request()

    async def listing(self, work: Coroutine[object, object, R]) -> R:
        """Wait for a search."""
        return await self._cancellation.run(work)

    async def close(self) -> None:
        """Nothing comes by itself."""
