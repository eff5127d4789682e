"""Looking at all of a bucket, again and again, by one replica at a time: what is new, changed or gone."""

import asyncio
import hashlib
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Final

from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus, end_tasks
from isthmus.common.bus.guard import guard_if_free
from isthmus.common.config import S3Origin
from isthmus.common.errors import BlobRefused, BusUnavailable, IsthmusError, StoreUnavailable
from isthmus.common.inbox.index import Index
from isthmus.common.inbox.state import Phase, States
from isthmus.common.telemetry import get_logger, span
from isthmus.common.telemetry.attributes import DICOM_ORIGIN
from isthmus.common.telemetry.instruments import origin_up
from isthmus.web_scu.bucket.listing import Candidate, candidates, listing_digest
from isthmus.web_scu.bucket.refresh import Refresher

GIVEN_UP: Final = 5
"""Studies one after the other that could not be read: then the rest waits for the next turn."""
TOGETHER: Final = 4
"""Studies that are looked at together: of a small one most is waiting."""
AGAIN_SECONDS: Final = 60.0
"""After which what has failed is tried again, twice as late each time, but within `refresh_seconds`."""
RETOLD_SECONDS: Final = 86_400.0
"""That a bucket was read is written down again after so long: records without instances are forgotten."""
_NO_ORIGIN: Final = "all"
"""The guards are like those of studies; no origin has this name."""
_NO_STUDY: Final = ""
"""Under it the record lies that tells that all of a bucket was read."""

log = get_logger(__name__)


class Completeness:
    """Whether all of a bucket was read once: before that, no search can tell what is in it."""

    def __init__(self, bus: Bus, origin: S3Origin) -> None:
        """Prepare; with another bucket, folder or pattern the same origin is to be read anew."""
        self._states = States(bus)
        self._origin = origin
        what = (origin.endpoint, origin.bucket, origin.key_pattern.prefix, origin.pattern)
        self._digest = hashlib.sha256("\n".join(what).encode()).hexdigest()
        self._is_known = False

    async def check(self) -> None:
        """Make sure that it was.

        Raises:
            StoreUnavailable: it was not yet.
            BusUnavailable: nobody knows.
        """
        if not self._is_known:
            found = await self._states.get(self._origin.name, _NO_STUDY)
            self._is_known = found.state.listing == self._digest
        if not self._is_known:
            raise StoreUnavailable(f"The bucket of {self._origin.name!r} was not read to its end yet")

    async def tell(self, now: float) -> None:
        """Write down that it was read, at a time in seconds since 1970.

        Raises:
            BusUnavailable: NATS does not take it.
        """
        found = await self._states.get(self._origin.name, _NO_STUDY)
        before = found.state
        if before.listing == self._digest and now - before.arrival.last_stored < RETOLD_SECONDS:
            return
        arrival = replace(before.arrival, phase=Phase.SETTLED, last_stored=now)
        await self._states.put(replace(before, listing=self._digest, arrival=arrival), found.revision)


@dataclass(frozen=True, slots=True)
class Scanned:
    """What a look at all of a bucket came to."""

    studies: int
    """How many there are."""
    changed: int
    """How many of them were looked at, or are gone."""
    failed: int = 0
    """How many of those could not be read, and may be with the next scan."""
    refused: int = 0
    """How many studies are left out, as nothing of them is given to us."""


class Scanner:
    """Compares one bucket with its records."""

    def __init__(
        self, bus: Bus, bucket: BlobStore, origin: S3Origin, index: Index, refresher: Refresher
    ) -> None:
        """Prepare.

        Args:
            bus: on which replicas agree whose turn it is.
            bucket: the origin's.
            origin: its settings.
            index: its records.
            refresher: looks at what has changed.
        """
        self._bus = bus
        self._bucket = bucket
        self._origin = origin
        self._index = index
        self._refresher = refresher
        self._complete = Completeness(bus, origin)
        self._trouble = ""

    async def run(self) -> None:
        """Scan at once and every `refresh_seconds`, or at half of the time, unless another replica does.

        What has failed is tried again before: until all was read once, no search is answered.
        """
        pause = AGAIN_SECONDS
        while True:
            began = time.monotonic()
            try:
                async with guard_if_free(self._bus, _NO_ORIGIN, f"bucket {self._origin.name}") as is_ours:
                    if is_ours:
                        self._note(await self.scan())
                        pause = AGAIN_SECONDS
                    # Held while there is nothing to do too: whoever comes meanwhile leaves it to us.
                    taken = time.monotonic() - began
                    await asyncio.sleep(max(self._origin.refresh_seconds, taken))
            except IsthmusError as error:
                self._fail(error)
                await asyncio.sleep(min(pause, self._origin.refresh_seconds))
                pause *= 2

    async def scan(self) -> Scanned:
        """Look at all of it once.

        Raises:
            BlobRefused: nothing in it is given to us.
            StoreUnavailable: it cannot be listed, or much of it cannot be read.
            BusUnavailable: NATS is away.
            ContractError: records are of another version.
        """
        began = time.monotonic()
        try:
            scanned = await self._scan()
        except StoreUnavailable:
            self._tell(0, time.monotonic() - began)
            raise
        self._tell(1, time.monotonic() - began)
        return scanned

    def _tell(self, answered: int, taken: float) -> None:
        """Tell whether it gave what it was asked for, until there were three more turns that take as long."""
        lasts = 3 * max(self._origin.refresh_seconds, taken)
        origin_up.set(answered, {DICOM_ORIGIN: self._origin.name}, lasts=lasts)

    async def _scan(self) -> Scanned:
        with span("scan bucket"):
            name = self._origin.name
            known = {one.study: one.listing for one in await self._index.studies(name)}
            turn = _Turn(self._refresher, name)
            seen: set[str] = set()
            async with aclosing(self._studies()) as studies:
                async for study, digest in studies:
                    seen.add(study)  # one that is listed in two places is looked at, and that is all
                    if known.get(study) != digest:
                        await turn.look(study)
            for study in known.keys() - seen:
                await turn.look(study)
            await turn.finish()
            if turn.refused and turn.refused == len(seen):
                raise BlobRefused(f"The bucket of {name!r} can be listed, but nothing in it is given to us")
            if not turn.failed:
                await self._complete.tell(time.time())
            return Scanned(len(seen), turn.changed, turn.failed, turn.refused)

    async def _studies(self) -> AsyncGenerator[tuple[str, str], None]:
        """Give the studies that are listed, and what names the listing of each."""
        pattern = self._origin.key_pattern
        objects: list[Candidate] = []
        async with aclosing(self._bucket.list(pattern.root)) as listed:
            async for one in listed:
                for candidate in candidates(pattern, [one]):
                    if objects and objects[0].place.study != candidate.place.study:
                        yield objects[0].place.study, listing_digest(objects)
                        objects = []
                    objects.append(candidate)
        if objects:
            yield objects[0].place.study, listing_digest(objects)

    def _note(self, scanned: Scanned) -> None:
        if self._trouble:
            log.info("bucket scanned again", origin=self._origin.name)
        self._trouble = ""
        if scanned.changed:
            log.info(
                "bucket scanned",
                origin=self._origin.name,
                studies=scanned.studies,
                changed=scanned.changed,
                failed=scanned.failed,
                refused=scanned.refused,
            )

    def _fail(self, error: IsthmusError) -> None:
        if error.detail != self._trouble:
            log.warning("bucket not scanned", origin=self._origin.name, detail=error.detail)
        self._trouble = error.detail


class _Turn:
    """The studies that one scan looks at."""

    def __init__(self, refresher: Refresher, origin: str) -> None:
        self._refresher = refresher
        self._origin = origin
        self._in_a_row = 0
        self._waiting: list[str] = []
        self.changed = 0
        self.failed = 0
        self.refused = 0

    async def look(self, study: str) -> None:
        """Look at one, or wait with it until there are some more: they are looked at together.

        That one cannot be read keeps no other from it.
        """
        self.changed += 1
        self._waiting.append(study)
        if len(self._waiting) == TOGETHER:
            await self.finish()

    async def finish(self) -> None:
        """Look at those that wait."""
        looking = [asyncio.create_task(self._look(study)) for study in self._waiting]
        self._waiting.clear()
        try:
            await asyncio.gather(*looking)
        finally:
            await end_tasks(looking)

    async def _look(self, study: str) -> None:
        try:
            await self._refresher.refresh(study)
        except BusUnavailable:
            raise
        except BlobRefused as error:
            self.refused += 1
            log.warning("study of a bucket left out", origin=self._origin, detail=error.detail)
        except IsthmusError as error:
            self.failed += 1
            self._in_a_row += 1
            log.warning("study of a bucket not read", origin=self._origin, detail=error.detail)
            if self._in_a_row >= GIVEN_UP:
                raise
        else:
            self._in_a_row = 0
