"""C-MOVE: the origin sends instances to our scp, which hands them to whoever asked (PS3.4 C.4.2)."""

import asyncio
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Final

from isthmus.common.bus import Bus, Serving
from isthmus.common.bus.received import serve_received
from isthmus.common.config import RetrieveMethod
from isthmus.common.dicom.statuses import OUT_OF_RESOURCES, SUCCESS
from isthmus.common.dimse import MOVE, STUDY_ROOT_MOVE, Association, AssociationPool, Operation, SubOperations
from isthmus.common.errors import UnavailableError
from isthmus.common.messages import Received, ReceivedAnswer, Retrieve
from isthmus.common.retrieving.ask import Ask
from isthmus.common.retrieving.delivery import Delivery
from isthmus.common.retrieving.listing import Listed
from isthmus.common.retrieving.wording import Wording
from isthmus.common.telemetry import TRACEPARENT, add_link, inject
from isthmus.dimse_scu.cancellation import Cancellation
from isthmus.dimse_scu.identifier import retrieve_identifier
from isthmus.dimse_scu.judgement import judge

LATE_SECONDS: Final = 1.0
"""How long to wait for the next instance that the origin counts as sent."""


class Move:
    """Pulls by C-MOVE."""

    method = RetrieveMethod.C_MOVE
    last_resort = False

    def __init__(
        self,
        bus: Bus,
        pool: AssociationPool,
        ae_title: str,
        wanted: Retrieve,
        delivery: Delivery,
        cancellation: Cancellation,
        wording: Wording,
    ) -> None:
        self._bus = bus
        self._pool = pool
        self._ae_title = ae_title
        self._wanted = wanted
        self._delivery = delivery
        self._cancellation = cancellation
        self.wording = wording
        self._begins = asyncio.Lock()
        self._serving: Serving | None = None
        self._arrived = 0
        self._arrival = asyncio.Event()
        self._traceparent: str | None = None
        """Of the job: what comes is in the traces of those who send it."""

    def asks_unlisted(self, _: str) -> bool:
        """Ask for anything: scp takes any class."""
        return True

    def associations(self, instances: Sequence[Listed]) -> Iterable[Sequence[Listed]]:
        """Ask for everything at once: scp takes any class and syntax."""
        yield instances

    async def __call__(self, ask: Ask, *, priority: int = 0) -> int:
        """Ask; what the origin sends meanwhile, scp asks about, and is answered from the delivery."""
        identifier = retrieve_identifier(ask)

        def pull(association: Association) -> SubOperations:
            with self._cancellation.of(association):
                return association.move(STUDY_ROOT_MOVE, identifier, self._ae_title)

        await self._receive()
        before = self._arrived
        result = await self._pool.run((MOVE,), pull, priority=priority)
        await self._wait_for_the_late(before + (result.completed or 0))
        with self.wording.learning(ask):
            judge(result, Operation.C_MOVE, self._wanted.origin)
        return self._arrived - before

    async def _receive(self) -> None:
        """Be there for what comes: the server knows of it before the C-MOVE goes out.

        What nobody asked for is refused, and asked about twice it would be published twice: there is one
        subscription for all that a job asks for.
        """
        async with self._begins:
            if self._serving is None:
                self._traceparent = inject().get(TRACEPARENT)
                wanted = self._wanted
                self._serving = await serve_received(self._bus, wanted.origin, wanted.study, self._answer)

    async def _wait_for_the_late(self, arrived: int) -> None:
        """Wait for what the origin says it sent: some answer before they have sent all of it."""
        with suppress(TimeoutError):
            while self._arrived < arrived:
                self._arrival.clear()
                await asyncio.wait_for(self._arrival.wait(), LATE_SECONDS)

    async def close(self) -> None:
        """Take no more."""
        if self._serving is not None:
            await self._serving.finish()

    async def _answer(self, received: Received) -> ReceivedAnswer:
        self._cancellation.heard()
        add_link(self._traceparent)
        try:
            await self._delivery.announce(received.blob)
        except UnavailableError:
            return ReceivedAnswer(OUT_OF_RESOURCES)
        self._arrived += 1
        self._arrival.set()
        return ReceivedAnswer(SUCCESS)
