"""Which methods of retrieving a job has of a DIMSE origin, in which order."""

from collections.abc import Collection, Coroutine, Iterator
from typing import Final, TypeVar

from isthmus.common.bus import Bus
from isthmus.common.config import DimseOrigin, Quirk, RetrieveMethod
from isthmus.common.dimse import AssociationPool
from isthmus.common.dimse.contexts import COMPRESSED, RARE, UNCOMPRESSED
from isthmus.common.messages import Retrieve
from isthmus.common.retrieving.delivery import Delivery
from isthmus.common.retrieving.source import Pull
from isthmus.common.retrieving.wording import Form, Wording
from isthmus.common.threads import Threads
from isthmus.dimse_scu.cancellation import Cancellation
from isthmus.dimse_scu.get import Get
from isthmus.dimse_scu.move import Move

_SYNTAXES: Final = ((*UNCOMPRESSED, *COMPRESSED), UNCOMPRESSED)
"""What a C-GET offers at first, and then to an origin that does not send with all that offered."""
_NEVER: Final = {
    Quirk.NO_UID_LISTS: (Form.LIST,),
    Quirk.NO_IMAGE_LEVEL_RETRIEVE: (Form.LIST, Form.INSTANCE),
    Quirk.NO_SERIES_LEVEL_RETRIEVE: (Form.SERIES,),
}

R = TypeVar("R")


class DimsePulls:
    """The ways in which a job may retrieve: those allowed, and C-GET at last with other transfer syntaxes."""

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
        self._cancellation = Cancellation()
        by_move, by_get = (Wording(never_used(origin.quirks)) for _ in range(2))
        self._move = Move(bus, pool, ae_title, wanted, delivery, self._cancellation, by_move)
        offered, others = _SYNTAXES
        if Quirk.UNCOMPRESSED_ONLY in origin.quirks:
            offered, others = UNCOMPRESSED, COMPRESSED
        get = Get(pool, threads, delivery, self._cancellation, offered, by_get)
        by_method: dict[RetrieveMethod, Pull] = {RetrieveMethod.C_GET: get, RetrieveMethod.C_MOVE: self._move}
        self.steps = [by_method[method] for method in origin.retrieve]
        if RetrieveMethod.C_GET in origin.retrieve:
            for syntaxes in (others, *((name,) for name in RARE)):
                last = Get(pool, threads, delivery, self._cancellation, syntaxes, by_get, last_resort=True)
                self.steps.append(last)

    @property
    def first(self) -> Pull:
        """What the origin is asked by to begin with."""
        return self.steps[0]

    @property
    def cancelled(self) -> bool:
        """Whether `cancel` was called."""
        return self._cancellation.requested

    def cancel(self) -> None:
        """Send C-CANCEL for all that runs."""
        self._cancellation.request()

    async def listing(self, work: Coroutine[object, object, R]) -> R:
        """Wait for a C-FIND; it is short, and to break it off would cost its association."""
        return await work

    async def close(self) -> None:
        """Take no more of what the origin sends to our scp."""
        await self._move.close()


def never_used(quirks: Collection[Quirk]) -> Iterator[Form]:
    """Give the forms in which an origin with these quirks is never asked."""
    for quirk in quirks:
        yield from _NEVER.get(quirk, ())
