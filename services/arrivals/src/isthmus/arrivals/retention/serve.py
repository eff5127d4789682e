"""What need not stay in an inbox any more: by age, or because it is wherever it is forwarded to.

Nothing goes that somebody does not know of yet: a study is marked first (`Remover.mark`), then everything
that came before is waited for, and only a study that is as it was then is deleted.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import Final

from isthmus.arrivals.forwarding.routing import CONSUMER
from isthmus.arrivals.retention.records import Record, forget, records
from isthmus.arrivals.retention.rules import Fate, Judge
from isthmus.common.bus import end_tasks, streams, subjects
from isthmus.common.bus.client import bus_errors
from isthmus.common.bus.consumer import has_passed
from isthmus.common.bus.forwards import ForwardedStudies, is_pending
from isthmus.common.bus.queues import holds
from isthmus.common.bus.turns import take_turns
from isthmus.common.errors import IsthmusError
from isthmus.common.inbox.remove import Remover
from isthmus.common.inbox.state import Versioned
from isthmus.common.retrieval import LastReads
from isthmus.common.service import Parts
from isthmus.common.telemetry import get_logger, span
from isthmus.common.telemetry.attributes import DICOM_ORIGIN, ISTHMUS_REASON
from isthmus.common.telemetry.instruments import inbox_expired

READ_SECONDS: Final = 600.0
"""Who read something of a study within these may still be at it."""
CAUGHT_UP_SECONDS: Final = 10.0
"""How long a turn waits for what was published before; else it is left to a later one."""
TOGETHER: Final = 100
"""Studies that are marked before anything is waited for."""
LOOK_SECONDS: Final = 0.05

log = get_logger(__name__)


@asynccontextmanager
async def retention(parts: Parts) -> AsyncIterator[None]:
    """Delete what need not stay, until left; of all replicas one does it at a time."""
    async with asyncio.TaskGroup() as group:
        running = group.create_task(Retention(parts).run())
        try:
            yield
        finally:
            await end_tasks([running])


@dataclass(frozen=True, slots=True)
class Turn:
    """What a look at everything came to."""

    studies: int = 0
    """How many were deleted."""
    tombstones: int = 0
    """How many records of deleted studies were forgotten."""


class Retention:
    """Looks at all records of all inboxes, again and again."""

    def __init__(self, parts: Parts) -> None:
        self._bus = parts.bus
        self._judge = Judge(parts.settings)
        self._has_rules = bool(parts.settings.arrivals.forward)
        self._remover = Remover(parts.bus, parts.blobs)
        self._forwarded = ForwardedStudies(parts.bus)
        self._reads = LastReads(parts.bus)

    async def run(self) -> None:
        """Take a turn every minute, if it is ours; runs until cancelled."""
        await take_turns(self._bus, "retention", self._take_turn, _failed)

    async def _take_turn(self, is_ours: bool) -> None:
        if is_ours:
            await self.turn(time.time())

    async def turn(self, now: float) -> Turn:
        """Look at everything once.

        Args:
            now: the time, in seconds since 1970.

        Raises:
            UnavailableError: S3 or NATS is away: what was begun goes on with a later turn.
        """
        doomed: list[tuple[Versioned, Fate]] = []
        tombstones = 0
        async with aclosing(records(self._bus, self._judge.is_of_interest, now)) as found:
            async for record in found:
                fate = self._judge.fate(record, now)
                if fate is Fate.TOMBSTONE:
                    await self._forget(record)
                    tombstones += 1
                elif fate is not Fate.STAYS:
                    doomed.append((record.versioned, fate))
        studies = 0
        for start in range(0, len(doomed), TOGETHER):
            with span("expire"):
                studies += await self._expire(doomed[start : start + TOGETHER], now)
        if studies:
            log.info("studies deleted", studies=studies)
        return Turn(studies, tombstones)

    async def _forget(self, record: Record) -> None:
        state = record.versioned.state
        await self._forwarded.forget(state.origin, state.study)
        await forget(self._bus, record)

    async def _expire(self, doomed: Sequence[tuple[Versioned, Fate]], now: float) -> int:
        """Delete those of the studies that nothing speaks for."""
        if not await self._caught_up():
            return 0
        marked: list[tuple[Versioned, Fate]] = []
        for found, fate in doomed:
            if await self._may_go(found, fate, now) and (mark := await self._remover.mark(found)):
                marked.append((mark, fate))
        if not marked or not await self._caught_up():
            return 0
        gone = 0
        for mark, fate in marked:
            # Somebody may have begun to read it, or a dead letter may have been put back.
            if not await self._may_go(mark, fate, now) or not await self._remover.expire(mark):
                continue
            await self._forwarded.forget(mark.state.origin, mark.state.study)
            inbox_expired.add(1, {DICOM_ORIGIN: mark.state.origin, ISTHMUS_REASON: fate.value})
            gone += 1
        return gone

    async def _may_go(self, found: Versioned, fate: Fate, now: float) -> bool:
        """Tell whether nobody is at work on a study, and it is wherever it has to be."""
        origin, study = found.state.origin, found.state.study
        last_read = await self._reads.last(origin, study)
        if last_read is not None and last_read >= now - READ_SECONDS:
            return False
        if await is_pending(self._bus, origin, study):
            return False
        if fate is Fate.AGED:
            return True
        if await holds(self._bus, streams.DEAD, subjects.dead_forwards_of(origin, study)):
            return False
        went = await self._forwarded.destinations(origin, study)
        return self._judge.is_everywhere(found.state, went)

    async def _caught_up(self) -> bool:
        """Wait until all events that are published now are in the lists and in the queues of destinations."""
        with bus_errors(streams.EVENTS):
            last = (await self._bus.jetstream.stream_info(streams.EVENTS)).state.last_seq
        until = time.monotonic() + CAUGHT_UP_SECONDS
        consumers = [streams.ARRIVALS_CONSUMER, *([CONSUMER] if self._has_rules else [])]
        for consumer in consumers:
            while not await has_passed(self._bus, streams.EVENTS, consumer, last):
                if time.monotonic() > until:
                    return False
                await asyncio.sleep(LOOK_SECONDS)
        return True


def _failed(error: IsthmusError) -> None:
    log.warning("inboxes not tidied", error=type(error).__name__, detail=error.detail)
