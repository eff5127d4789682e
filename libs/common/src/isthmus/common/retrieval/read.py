"""The instances of a study, series or single instance: from the catalogue, or as a job brings them."""

import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from enum import StrEnum
from typing import Final

from isthmus.common.access.audit_trail import noted
from isthmus.common.bus import Bus, jobs
from isthmus.common.bus.jobs import Lane, Submitted
from isthmus.common.errors import BusUnavailable, NoSuchObject
from isthmus.common.messages import BlobRef, Lacking, Retrieve, RetrieveDone
from isthmus.common.retrieval.catalogue import Catalogue
from isthmus.common.retrieval.generation import Tally, facts_of, is_cancelled
from isthmus.common.retrieval.lately import Lately
from isthmus.common.retrieval.manifest import Manifest
from isthmus.common.retrieval.reads import LastReads
from isthmus.common.retrieval.verdict import check_whole, lacking_of
from isthmus.common.telemetry.attributes import DICOM_ORIGIN, ISTHMUS_RESULT
from isthmus.common.telemetry.instruments import cache_requests

RESUBMISSIONS: Final = 5
"""How often a job that ended under our hands (cancelled for another's sake, lost) is submitted again."""
PREFETCH_SECONDS: Final = 30.0
"""The rest of a study is asked for at most so often, by each process."""


class Result(StrEnum):
    """How it stands with what is wanted, when it is asked for."""

    HIT = "hit"
    """It is held, and fresh."""
    JOINED = "joined"
    """Somebody's job brings it."""
    MISS = "miss"
    """A job of ours has to bring it, or to see whether it is still as it is held."""


class Reading(AsyncIterator[BlobRef]):
    """The blob ref of each instance that is wanted, each SOP Instance UID once."""

    def __init__(
        self,
        first: BlobRef,
        others: AsyncIterator[BlobRef],
        lacking: Lacking | None,
        manifest: Manifest | None,
    ) -> None:
        self._first: BlobRef | None = first
        self._others = others
        self.lacking: Final = lacking
        """What the origin is known not to deliver; all the rest comes, or the iteration raises."""
        self.manifest: Final = manifest
        """What is held of the study, if all that is wanted comes from the catalogue."""

    async def __anext__(self) -> BlobRef:
        """Give the next instance, as soon as it is there.

        Raises:
            Incomplete: more lacks than `lacking` says.
            UnavailableError: a part of ours is away.
        """
        if self._first is None:
            return noted(await anext(self._others))
        first, self._first = self._first, None
        return noted(first)


class Retrieval:
    """The way to instances, for faces; all replicas share the work through the bus and the catalogue."""

    def __init__(self, bus: Bus, catalogue: Catalogue, fresh_seconds: float) -> None:
        """Prepare.

        Args:
            bus: where jobs are submitted and followed.
            catalogue: what is held.
            fresh_seconds: for how long what an origin listed is taken to be still so.
        """
        self._bus = bus
        self._catalogue = catalogue
        self._fresh_seconds = fresh_seconds
        self._reads = LastReads(bus)
        self._prefetched: Lately[tuple[str, str]] = Lately(PREFETCH_SECONDS)

    @asynccontextmanager
    async def read(self, wanted: Retrieve) -> AsyncIterator[Reading]:
        """Give what is wanted; enters when the first instance is there, or all is in the catalogue.

        While the block is open, the worker is told that somebody waits, and the study is not evicted.

        Raises:
            NoSuchObject: the origin has nothing of what is wanted.
            OriginError: the origin failed before anything arrived.
            Incomplete: something arrived, and the rest will not.
            UnavailableError: a part of ours is away.
        """
        async with self._reads.reading(wanted.origin, wanted.study):
            arriving = _Arriving(self._bus, self._catalogue, wanted)
            is_the_origin = self._catalogue.is_the_origin(wanted.origin)
            since = 0.0 if is_the_origin else time.time() - self._fresh_seconds
            async with aclosing(arriving.instances(since)) as instances:
                first = await anext(instances)
                yield Reading(first, instances, arriving.lacking, arriving.manifest)

    async def prefetch(self, origin: str, study: str) -> None:
        """Let the whole study follow behind what others wait for, unless it is held and fresh.

        Of several calls soon after each other one counts.

        Raises:
            UnavailableError: a part of ours is away.
        """
        if self._catalogue.is_the_origin(origin) or self._prefetched.done((origin, study)):
            return
        wanted = Retrieve(origin, study)
        manifest = await self._catalogue.load(origin, study)
        if manifest is None or not manifest.covers(wanted, time.time() - self._fresh_seconds):
            await jobs.submit_retrieve(self._bus, wanted, Lane.BULK)


class _Arriving:
    """What is wanted, on its way, however many jobs it takes."""

    def __init__(self, bus: Bus, catalogue: Catalogue, wanted: Retrieve) -> None:
        self._bus = bus
        self._catalogue = catalogue
        self._wanted = wanted
        self._seen: set[str] = set()
        self._is_over = False
        self._is_counted = False
        self.lacking: Lacking | None = None
        """Final with the first instance: what the reader then tells cannot be taken back."""
        self.manifest: Manifest | None = None

    async def instances(self, since: float) -> AsyncGenerator[BlobRef, None]:
        """Give each instance once; the catalogue will do if the origin listed the same since a time."""
        origin = self._wanted.origin
        manifest = await self._load()
        if manifest is not None and manifest.covers(self._wanted, since):
            self._count(Result.HIT)
            async with aclosing(self._held(manifest)) as held:
                async for blob in held:
                    yield blob
            return
        if self._catalogue.is_the_origin(origin) and not self._catalogue.may_be_behind(origin):
            raise NoSuchObject(f"{self._wanted.origin!r} has no such object")
        # Of a part nobody knows yet what lacks of the whole: whoever has to tell waits for the wider job.
        takes_parts = manifest is None or not manifest.missing(self._wanted)
        lost = 0
        while lost < RESUBMISSIONS:
            submitted = await jobs.submit_retrieve(self._bus, self._wanted)
            # What was found was asked for by somebody else, be it with the same words.
            self._count(Result.MISS if submitted.job is self._wanted else Result.JOINED)
            is_part = not submitted.job.covers(self._wanted)
            coming = self._part(submitted, takes_parts) if is_part else self._generation(submitted)
            async with aclosing(coming) as blobs:
                async for blob in blobs:
                    yield blob
            if self._is_over:
                return
            lost += not is_part
        raise BusUnavailable("The retrieve job was lost again and again")

    def _count(self, result: Result) -> None:
        """Count how it stood with what is wanted when it was asked for: once."""
        if not self._is_counted and not self._catalogue.is_the_origin(self._wanted.origin):
            cache_requests.add(1, {DICOM_ORIGIN: self._wanted.origin, ISTHMUS_RESULT: result.value})
        self._is_counted = True

    async def _part(self, submitted: Submitted, takes_parts: bool) -> AsyncGenerator[BlobRef, None]:
        """Give what a narrower job of the study brings, until its end."""
        tally = Tally(self._wanted, submitted.job)
        async with facts_of(self._bus, submitted, self._wanted) as facts:
            async for fact in facts:
                if isinstance(fact, RetrieveDone):
                    return
                for blob in tally.wanted_of(fact) if takes_parts else ():
                    if self._is_new(blob):
                        yield blob

    async def _generation(self, submitted: Submitted) -> AsyncGenerator[BlobRef, None]:
        """Give what a job brings; it is over if it was not lost, given up, or its facts incomplete."""
        tally = Tally(self._wanted, submitted.job)
        if not self._seen:
            self.lacking = None
        async with facts_of(self._bus, submitted, self._wanted) as facts:
            async for fact in facts:
                if isinstance(fact, Lacking) and not self._seen:
                    self.lacking = lacking_of(fact, self._wanted)
                for blob in tally.wanted_of(fact):
                    if self._is_new(blob):
                        yield blob
                done = self._instance_is_here() or tally.end(fact)
                if done is None:
                    continue
                if done.confirmed:
                    break
                if not is_cancelled(done) and not tally.is_short_of(done):
                    self._end(done)
                return
            else:
                return
        manifest = await self._load()
        if manifest is not None and manifest.covers(self._wanted, 0):
            async with aclosing(self._held(manifest)) as held:
                async for blob in held:
                    yield blob

    async def _held(self, manifest: Manifest) -> AsyncGenerator[BlobRef, None]:
        """Give what the catalogue has: all that can be had."""
        lacking = manifest.lacking(self._wanted)
        if not self._seen:
            self.manifest = manifest
            self.lacking = lacking and lacking_of(lacking, self._wanted)
        for blob in manifest.blobs(self._wanted):
            if self._is_new(blob):
                yield blob
        missing, failure = (lacking.missing, lacking.failure) if lacking else ((), None)
        self._end(RetrieveDone(len(self._seen), missing, failure))

    def _end(self, done: RetrieveDone) -> None:
        check_whole(done, self._wanted, self._seen, self.lacking)
        self._is_over = True

    def _is_new(self, blob: BlobRef) -> bool:
        if blob.sop_instance_uid in self._seen:
            return False
        self._seen.add(blob.sop_instance_uid)
        return True

    def _instance_is_here(self) -> RetrieveDone | None:
        """End where a single instance is wanted and there, whatever becomes of its study."""
        return RetrieveDone(0, ()) if self._wanted.instance is not None and self._seen else None

    async def _load(self) -> Manifest | None:
        return await self._catalogue.load(self._wanted.origin, self._wanted.study)
