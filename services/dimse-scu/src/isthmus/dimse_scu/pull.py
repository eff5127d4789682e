"""What the methods of retrieving have in common, and which of them a job has in which order."""

from collections.abc import Iterable, Sequence
from typing import Final, Protocol

from isthmus.common.bus import Bus
from isthmus.common.config import DimseOrigin, Quirk, RetrieveMethod
from isthmus.common.dimse import AssociationPool
from isthmus.common.dimse.contexts import COMPRESSED, RARE, UNCOMPRESSED
from isthmus.common.messages import Retrieve
from isthmus.common.threads import Threads
from isthmus.dimse_scu.ask import Ask
from isthmus.dimse_scu.cancellation import Cancellation
from isthmus.dimse_scu.delivery import Delivery
from isthmus.dimse_scu.get import Get
from isthmus.dimse_scu.listing import Listed
from isthmus.dimse_scu.move import Move
from isthmus.dimse_scu.wording import Wording

_SYNTAXES: Final = ((*UNCOMPRESSED, *COMPRESSED), UNCOMPRESSED)
"""What a C-GET offers at first, and then to an origin that does not send with all that offered."""


class Pull(Protocol):
    """One way of retrieving."""

    @property
    def method(self) -> RetrieveMethod:
        """C-GET or C-MOVE."""

    @property
    def last_resort(self) -> bool:
        """Whether it is for instances that nothing else brought, one after the other."""

    @property
    def wording(self) -> Wording:
        """In which words the origin may be asked so; each ask adds to it."""

    async def __call__(self, ask: Ask, *, priority: int = 0) -> int:
        """Ask the origin, and give how many instances it sent; they may still be on their way to S3.

        Raises:
            OriginError: it failed; something may have come all the same.
            UnavailableError: a part of ours did; there is no use in going on.
        """

    def associations(self, instances: Sequence[Listed]) -> Iterable[Sequence[Listed]]:
        """Divide instances into those that one association can bring."""


class Pulls:
    """The ways in which a job may retrieve."""

    def __init__(
        self,
        bus: Bus,
        pool: AssociationPool,
        threads: Threads,
        origin: DimseOrigin,
        ae_title: str,
        wanted: Retrieve,
        delivery: Delivery,
    ) -> None:
        self.cancellation = Cancellation()
        by_move, by_get = Wording(origin.quirks), Wording(origin.quirks)
        self._move = Move(bus, pool, ae_title, wanted, delivery, self.cancellation, by_move)
        offered, others = _SYNTAXES
        if Quirk.UNCOMPRESSED_ONLY in origin.quirks:
            offered, others = UNCOMPRESSED, COMPRESSED
        get = Get(pool, threads, delivery, self.cancellation, offered, by_get)
        by_method: dict[RetrieveMethod, Pull] = {RetrieveMethod.C_GET: get, RetrieveMethod.C_MOVE: self._move}
        self.first = by_method[origin.retrieve[0]]
        """What the origin is asked by to begin with."""
        self.steps: list[Pull] = [by_method[method] for method in origin.retrieve]
        """All of them, in their order; for C-GET at last those with other transfer syntaxes."""
        if RetrieveMethod.C_GET in origin.retrieve:
            for syntaxes in (others, *((name,) for name in RARE)):
                last = Get(pool, threads, delivery, self.cancellation, syntaxes, by_get, last_resort=True)
                self.steps.append(last)

    async def close(self) -> None:
        """Take no more of what the origin sends to our scp."""
        await self._move.close()
