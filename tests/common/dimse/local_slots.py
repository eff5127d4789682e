"""Slots without a bus: of one process, of which a test sees how many are free, and takes some away."""

from isthmus.common.dimse.own_slots import OwnSlot, OwnSlots


class LocalSlots(OwnSlots):
    """As whoever has an origin for itself has them; but they can be lost, and wanted elsewhere."""

    def __init__(self, associations: int) -> None:
        super().__init__(associations)
        self._taken: list[OwnSlot] = []

    @property
    def free(self) -> int:
        return self._free

    async def take(self, priority: int) -> OwnSlot:
        slot = await super().take(priority)
        self._taken.append(slot)
        return slot

    def lose_the_first(self) -> None:
        """Take away the slot that was given first: it does not become free again."""
        slot = self._taken[0]
        slot._slots = None
        slot.lost.set_result(None)

    def want_elsewhere(self, priority: int) -> None:
        """Remind the pool of another process that waits."""
        self._wanted("elsewhere", priority)
