"""A C-STORE to an origin with `acknowledge = "spool"`: held here durably, answered, and sent on afterwards.

What forwards studies from inboxes sends it on, for as long as the origin is away; what the origin refuses as
often as `arrivals.max_attempts` says becomes a dead letter.
"""

import time
from collections import OrderedDict
from secrets import token_hex
from typing import Final

from isthmus.common.blobs import BlobStore, spool_key
from isthmus.common.bus import Bus
from isthmus.common.bus.forwards import enqueue
from isthmus.common.config import Acknowledge, DicomwebOrigin, Origin
from isthmus.common.errors import BusUnavailable
from isthmus.common.messages import Forwarding
from isthmus.scp.storing.arrived import Arrived
from isthmus.scp.storing.budget import Budget

MOST_UNSURE: Final = 10_000


def is_spooled(origin: Origin) -> bool:
    """Tell whether a C-STORE to an origin is answered before the origin has it."""
    return isinstance(origin, DicomwebOrigin) and origin.acknowledge is Acknowledge.SPOOL


class Onward:
    """Takes what is answered before its origin has it."""

    def __init__(self, bus: Bus, blobs: BlobStore, budget: Budget) -> None:
        self._bus = bus
        self._blobs = blobs
        self._budget = budget
        self._unsure: OrderedDict[str, Forwarding] = OrderedDict()
        """What NATS may have in its queue although it did not say so, by what it is of."""

    async def take(self, origin: Origin, arrived: Arrived, name: str) -> None:
        """Hold an instance and have it sent on; when this returns, nothing can lose it.

        Args:
            origin: where it is to go.
            arrived: the instance.
            name: the same for the same bytes to the same origin.

        Raises:
            UnavailableError: S3 or NATS does not take it; a repeat makes no second one of it.
        """
        waiting = self._unsure.get(name) or await self._held(origin, arrived)
        try:
            await enqueue(self._bus, waiting)
        except BusUnavailable:
            self._unsure[name] = waiting
            if len(self._unsure) > MOST_UNSURE:
                self._unsure.popitem(last=False)
            raise
        self._unsure.pop(name, None)

    async def _held(self, origin: Origin, arrived: Arrived) -> Forwarding:
        job = token_hex(20)  # it tells no time: what is here stays until it is there
        ref = arrived.ref(self._blobs.bucket, spool_key(job, 0))
        async with self._budget.taken(arrived.size):
            await self._blobs.put(ref.key, arrived.file)
        return Forwarding(job, origin.name, ref.study_instance_uid, origin.name, (ref,), time.time())
