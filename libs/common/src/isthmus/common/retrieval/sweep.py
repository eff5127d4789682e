"""Room for what comes: the studies that nobody used for longest go first, and leftovers before all."""

import math
import time
from dataclasses import dataclass
from typing import Final

from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus
from isthmus.common.bus.guard import guard_if_free
from isthmus.common.bus.jobs import has_job
from isthmus.common.bus.turns import take_turns
from isthmus.common.errors import IsthmusError
from isthmus.common.retrieval.catalogue import Catalogue
from isthmus.common.retrieval.reads import LastReads
from isthmus.common.retrieval.usage import StudyUsage, usage
from isthmus.common.telemetry import get_logger
from isthmus.common.telemetry.attributes import DICOM_ORIGIN
from isthmus.common.telemetry.instruments import cache_evictions, cache_limit, cache_size

KEPT_SECONDS: Final = 600.0
"""What was read or fetched within these stays, however little room there is."""
KNOWN_SECONDS: Final = 3600.0
"""After so long without another look nobody knows how much is held."""

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Swept:
    """What a look at everything came to."""

    size: int
    """Bytes that are held now."""
    studies: int
    """How many were deleted."""
    freed: int
    """Bytes."""


async def evict(
    bus: Bus, catalogue: Catalogue, one: StudyUsage, *, unread_since: float = math.inf
) -> int | None:
    """Delete a study and give the bytes freed; None if a job needs it, or it was read since a time.

    Raises:
        BusUnavailable: NATS does not tell whether it may go.
        StoreUnavailable: S3 does not do it, or not all of it.
    """
    async with guard_if_free(bus, one.origin, one.study) as is_ours:
        # A job that waits for its next worker has published instances, which that one will count on.
        if not is_ours or await has_job(bus, one.origin, one.study):
            return None
        last_read = await LastReads(bus).last(one.origin, one.study)
        if last_read is not None and last_read >= unread_since:
            return None
        return await catalogue.drop(one.origin, one.study)


class Sweeper:
    """Keeps what is held below a bound; of all workers one does it at a time."""

    def __init__(self, bus: Bus, blobs: BlobStore, max_bytes: int) -> None:
        self._bus = bus
        self._blobs = blobs
        self._catalogue = Catalogue(blobs)
        self._max_bytes = max_bytes
        self._is_in_trouble = False

    async def run(self) -> None:
        """Sweep every minute, if it is our turn; runs until cancelled."""
        cache_limit.set(self._max_bytes)
        await take_turns(self._bus, "sweep", self._take_turn, self._tell)

    async def _take_turn(self, is_ours: bool) -> None:
        if is_ours:
            await self.turn(time.time())
        else:
            cache_size.forget()  # another one looks

    async def turn(self, now: float) -> None:
        """Sweep once; what is in the way is told once, and the next turn comes."""
        try:
            swept = await self.sweep(now)
        except IsthmusError as error:
            self._tell(error)
            return
        self._is_in_trouble = False
        cache_size.set(swept.size, lasts=KNOWN_SECONDS)
        if swept.studies:
            log.info("cache swept", studies=swept.studies, freed=swept.freed, held=swept.size)

    async def sweep(self, now: float) -> Swept:
        """Delete what jobs that were given up have left; and what was used least recently, beyond the bound.

        Args:
            now: the time, in seconds since 1970.

        Raises:
            StoreUnavailable: S3 is away.
            BusUnavailable: NATS is away.
        """
        held = await usage(self._blobs, LastReads(self._bus))
        size = sum(one.size for one in held)
        studies = freed = 0
        unused = [one for one in held if one.used < now - KEPT_SECONDS]
        for one in sorted(unused, key=lambda one: (not one.is_leftover, one.used)):
            if not one.is_leftover and size - freed <= self._max_bytes:
                break
            evicted = await evict(self._bus, self._catalogue, one, unread_since=now - KEPT_SECONDS)
            if evicted is not None:
                freed += evicted
                studies += 1
                cache_evictions.add(1, {DICOM_ORIGIN: one.origin})
        return Swept(size - freed, studies, freed)

    def _tell(self, error: IsthmusError) -> None:
        if not self._is_in_trouble:
            log.warning("cache not swept", detail=error.detail)
        self._is_in_trouble = True
