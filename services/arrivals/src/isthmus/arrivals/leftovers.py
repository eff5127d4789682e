"""Lists of instances that no record names: what crashes between the list and its record have left behind.

So are lists that S3 did not delete when they were replaced, and lists of instances that events name
(`manifest`), when the events have gone.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

from isthmus.arrivals.retention.records import records
from isthmus.common.blobs import BlobStore
from isthmus.common.blobs.keys import contents_prefix
from isthmus.common.bus import Bus, end_tasks
from isthmus.common.bus.streams import EVENTS_SECONDS
from isthmus.common.bus.turns import take_turns
from isthmus.common.errors import IsthmusError
from isthmus.common.inbox.state import StudyState
from isthmus.common.service import Parts
from isthmus.common.telemetry import get_logger

EVERY_SECONDS: Final = 3600.0
DAY: Final = 86_400.0
"""Nobody takes as long to write the record that names a list; and clocks differ by less."""
TOGETHER: Final = 1_000
"""Lists, by one request."""
MANIFEST: Final = ".json"
"""How the names of those lists end that events name."""

log = get_logger(__name__)


@asynccontextmanager
async def leftovers(parts: Parts) -> AsyncIterator[None]:
    """Delete what is left behind, until left; of all replicas one does it at a time."""
    running = asyncio.create_task(_run(parts.bus, parts.blobs))
    try:
        yield
    finally:
        await end_tasks([running])


async def _run(bus: Bus, blobs: BlobStore) -> None:
    async def turn(is_ours: bool) -> None:
        if is_ours:
            await sweep(bus, blobs, time.time())

    def failed(error: IsthmusError) -> None:
        log.warning("leftovers not deleted", error=type(error).__name__, detail=error.detail)

    await take_turns(bus, "leftovers", turn, failed, EVERY_SECONDS)


async def sweep(bus: Bus, blobs: BlobStore, now: float) -> int:
    """Delete lists that nobody needs, and give how many those were.

    Of a study without a record nothing is deleted: were records lost, the lists would tell what there was.

    Args:
        bus: where the records are.
        blobs: where the lists are.
        now: the time, in seconds since 1970.

    Raises:
        UnavailableError: S3 or NATS is away.
        ContractError: a record is of another version: nobody knows what it names, and nothing is deleted.
    """
    known = _Known()
    async with aclosing(records(bus, lambda *_: True, now)) as found:
        async for record in found:
            known.add(record.versioned.state)
    gone, batch = 0, list[str]()
    async with aclosing(blobs.list(contents_prefix())) as listed:
        async for one in listed:
            if known.is_left_over(one.key, now - one.modified):
                batch.append(one.key)
            if len(batch) == TOGETHER:
                await blobs.delete_all(batch)
                gone += len(batch)
                batch.clear()
    await blobs.delete_all(batch)
    gone += len(batch)
    if gone:
        log.info("leftovers deleted", lists=gone)
    return gone


@dataclass(frozen=True, slots=True)
class _Known:
    """What the records name; as hashes, for there are many: should two be the same, something stays."""

    lists: set[int] = field(default_factory=set)
    studies: set[int] = field(default_factory=set)
    """By the beginnings of their keys."""

    def add(self, state: StudyState) -> None:
        self.studies.add(hash(contents_prefix(state.origin, state.study)))
        named = {state.contents, state.arrival.announced}.union(*(one.lists for one in state.removals))
        self.lists.update(hash(key) for key in named if key is not None)

    def is_left_over(self, key: str, age: float) -> bool:
        if key.endswith(MANIFEST):
            return age > EVENTS_SECONDS + DAY
        study = key[: key.rindex("/") + 1]
        return age > DAY and hash(study) in self.studies and hash(key) not in self.lists
