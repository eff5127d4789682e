"""C-MOVE: the origin sends instances to our scp, which hands them to whoever asked (PS3.4 C.4.2)."""

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager

from isthmus.common.bus import Bus, subjects
from isthmus.common.dimse import MOVE, STUDY_ROOT_MOVE, Association, AssociationPool, Operation
from isthmus.common.errors import UnavailableError
from isthmus.common.messages import Received, ReceivedAnswer, Retrieve
from isthmus.dimse_scu.ask import Ask
from isthmus.dimse_scu.delivery import OUT_OF_RESOURCES, SUCCESS, Delivery
from isthmus.dimse_scu.listing import Listed
from isthmus.dimse_scu.outcome import judge


class Move:
    """Pulls by C-MOVE."""

    def __init__(
        self, bus: Bus, pool: AssociationPool, ae_title: str, wanted: Retrieve, delivery: Delivery
    ) -> None:
        self._bus = bus
        self._pool = pool
        self._ae_title = ae_title
        self._wanted = wanted
        self._delivery = delivery
        self._association: Association | None = None

    def associations(self, instances: Sequence[Listed]) -> Iterable[Sequence[Listed]]:
        """Ask for everything at once: scp takes any class and syntax."""
        yield instances

    async def __call__(self, ask: Ask) -> None:
        """Ask; while the origin sends, scp's questions are answered from the delivery."""
        identifier = ask.identifier()

        def pull(association: Association) -> None:
            self._association = association
            try:
                result = association.move(STUDY_ROOT_MOVE, identifier, self._ae_title)
            finally:
                self._association = None  # it is free for others, whom no C-CANCEL of ours may reach
            judge(result, Operation.C_MOVE, association.peer.origin)

        async with self._receiving():
            await self._pool.run((MOVE,), pull)

    def cancel(self) -> None:
        """Send C-CANCEL."""
        association = self._association
        if association is not None:
            association.cancel()

    @asynccontextmanager
    async def _receiving(self) -> AsyncIterator[None]:
        subject = subjects.received(self._wanted.origin, self._wanted.study)
        # The server knows of it before the C-MOVE goes out: what comes unasked for is refused.
        serving = await self._bus.serve(subject, "", self._answer, Received)
        try:
            yield
        finally:
            await serving.finish()

    async def _answer(self, received: Received) -> ReceivedAnswer:
        association = self._association
        if association is not None:
            association.heard()
        try:
            await self._delivery.announce(received.blob)
        except UnavailableError:
            return ReceivedAnswer(OUT_OF_RESOURCES)
        return ReceivedAnswer(SUCCESS)
