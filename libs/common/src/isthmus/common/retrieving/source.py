"""What a retrieve job needs of its origin, whatever that speaks."""

from collections.abc import Coroutine, Iterable, Sequence
from typing import Protocol, TypeVar

from isthmus.common.messages import Retrieve
from isthmus.common.retrieving.ask import Ask
from isthmus.common.retrieving.delivery import Delivery
from isthmus.common.retrieving.listing import Listed, ListedSeries, Listing
from isthmus.common.retrieving.wording import Wording

R = TypeVar("R")


class Pull(Protocol):
    """One way of retrieving."""

    @property
    def method(self) -> str:
        """Its name; what one way of a name was refused, the others of that name are not asked for again."""

    @property
    def last_resort(self) -> bool:
        """Whether it is for instances that nothing else brought, one after the other."""

    @property
    def wording(self) -> Wording:
        """In which words the origin may be asked so; each ask adds to it."""

    def asks_unlisted(self, modality: str) -> bool:
        """Tell whether something can be asked for of which only the modality is known."""

    def associations(self, instances: Sequence[Listed]) -> Iterable[Sequence[Listed]]:
        """Divide instances into those that can be asked for at one time."""

    async def __call__(self, ask: Ask, *, priority: int = 0) -> int:
        """Ask the origin, and give how many instances it sent; they may still be on their way to S3.

        Raises:
            OriginError: it failed; something may have come all the same.
            UnavailableError: a part of ours did; there is no use in going on.
        """


class Pulls(Protocol):
    """The ways in which one job may retrieve."""

    @property
    def first(self) -> Pull:
        """What the origin is asked by to begin with."""

    @property
    def steps(self) -> Sequence[Pull]:
        """All of them, in their order, `first` at the head."""

    @property
    def cancelled(self) -> bool:
        """Whether `cancel` was called: nothing more is asked for."""

    def cancel(self) -> None:
        """Tell the origin to stop what runs; it ends with OriginCancelled, soon or never."""

    async def listing(self, work: Coroutine[object, object, R]) -> R:
        """Wait for a list of the origin's; `cancel` ends it too, where that costs the origin nothing.

        Raises:
            OriginCancelled: `cancel` was called.
        """

    async def close(self) -> None:
        """Take nothing more of what the origin sends."""


class Source(Protocol):
    """An origin that instances come from."""

    @property
    def name(self) -> str:
        """As the settings name it."""

    @property
    def timeout_seconds(self) -> float:
        """How long it may be silent."""

    @property
    def at_once(self) -> int:
        """How many questions it takes at one time, over all workers."""

    async def list_series(self, wanted: Retrieve, *, priority: int = 0) -> list[ListedSeries]:
        """List the series of a study, or the one that is wanted.

        Raises:
            OriginError: the origin failed, or lists what has no UID; a part of a list is no list.
        """

    async def list_instances(
        self, wanted: Retrieve, series: ListedSeries, *, instance: str | None = None, priority: int = 0
    ) -> Listing:
        """List the instances of a series, or the one that is named.

        What the origin answers beyond the question (matching keys that it ignores) is dropped.

        Raises:
            OriginError: the origin failed, or lists what has no UID; a part of a list is no list.
        """

    def pulls(self, wanted: Retrieve, delivery: Delivery) -> Pulls:
        """Give the ways in which a job may retrieve, into its delivery."""
