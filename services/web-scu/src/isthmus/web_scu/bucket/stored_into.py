"""What is known of studies that are stored into: looked at once for all jobs that come one after the other.

A modality sends instance by instance, each a job of its own: would each list its study, before and after, of
a thousand instances a million were listed.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Final
from weakref import WeakValueDictionary

from isthmus.common.blobs import BlobStore
from isthmus.common.errors import BusUnavailable, IsthmusError
from isthmus.common.telemetry import get_logger

Where = dict[str, tuple[BlobStore, str]]
"""By SOP Instance UID, in what store an instance is found, and by which key."""

KNOWN_SECONDS: Final = 5.0
"""For how long what others put into a study may be missed; under the same key it is never overwritten."""
RESTS: Final = 2.0
"""How much longer than a listing took the next one of the study waits: meanwhile more is stored."""
REMEMBERED: Final = 16
"""Studies."""

log = get_logger(__name__)


class KnownBefore:
    """What was in studies when something was stored into them; those who store add to it."""

    def __init__(self, ask: Callable[[str], Awaitable[Where]]) -> None:
        """Prepare; `ask` looks at a study."""
        self._ask = ask
        self._asking = asyncio.Lock()
        self._known: OrderedDict[str, tuple[float, Where]] = OrderedDict()

    async def of(self, study: str) -> Where:
        """Give what is in a study; it is told of what is stored since."""
        async with self._asking:
            at, where = self._known.get(study, (0.0, {}))
            if not at or time.monotonic() - at > KNOWN_SECONDS:
                where = await self._ask(study)
                self._known[study] = time.monotonic(), where
                self._known.move_to_end(study)
            if len(self._known) > REMEMBERED:
                self._known.popitem(last=False)
        return where


class _Study:
    """One that is listed anew."""

    def __init__(self) -> None:
        self.listing = asyncio.Lock()
        self.asked = 0
        """How often."""
        self.told = 0
        """Up to which of these times the listing has begun later."""
        self.rests_until = 0.0
        """By the monotonic clock."""


class ListedAfter:
    """Lists studies that were stored into: one time for all who ask while it is at it."""

    def __init__(self, origin: str, refresh: Callable[[str], Awaitable[None]]) -> None:
        """Prepare; `refresh` lists a study of the origin."""
        self._origin = origin
        self._refresh = refresh
        self._studies: WeakValueDictionary[str, _Study] = WeakValueDictionary()

    async def list(self, study: str) -> None:
        """Return when a listing is over that began after this call, well or badly.

        Raises:
            BusUnavailable: NATS is away.
        """
        one = self._studies.setdefault(study, _Study())
        one.asked += 1
        asked = one.asked
        async with one.listing:
            if one.told >= asked:
                return
            await asyncio.sleep(one.rests_until - time.monotonic())
            covered, began = one.asked, time.monotonic()
            try:
                await self._refresh(study)
            except BusUnavailable:
                raise
            except IsthmusError as error:  # it is safe all the same, and found later
                log.warning("stored, but not yet listed", origin=self._origin, detail=error.detail)
            one.told = covered
            one.rests_until = time.monotonic() + RESTS * (time.monotonic() - began)
