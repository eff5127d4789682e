"""A retrieve job, from its start to its end: whose turn it is, what it does, what it leaves behind."""

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from typing import Final

import nats.errors

from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus, end_tasks, subjects
from isthmus.common.bus.guard import guard
from isthmus.common.bus.jobs import MAX_DELIVERIES, Lane, Running, Submitted
from isthmus.common.errors import (
    BusUnavailable,
    IsthmusError,
    NotDelivered,
    OperationFailed,
    OriginCancelled,
    StoreUnavailable,
    UnavailableError,
)
from isthmus.common.messages import Retrieve, RetrieveDone, RetrieveFact
from isthmus.common.retrieval.catalogue import Catalogue
from isthmus.common.retrieving.ahead import AheadRequests
from isthmus.common.retrieving.delivery import Delivery
from isthmus.common.retrieving.facts import Facts, blobs_in
from isthmus.common.retrieving.instance import InstanceRetrieve
from isthmus.common.retrieving.job import Job, Outcome
from isthmus.common.retrieving.measured import record_end
from isthmus.common.retrieving.missing import Missing
from isthmus.common.retrieving.record import gone_from, manifest_after
from isthmus.common.retrieving.source import Source
from isthmus.common.retrieving.study import StudyRetrieve
from isthmus.common.telemetry import get_logger

INTEREST_SECONDS: Final = 0.5
"""How often a job asks whether anyone waits. Twice nobody: the request ends within 2 s, also when busy."""
ANSWER_SECONDS: Final = 0.5
CANCEL_SECONDS: Final = 3.0
"""How long a cancelled transfer may take to end, before it is broken off."""

log = get_logger(__name__)


class RetrieveWork:
    """Works on the retrieve jobs of one origin."""

    def __init__(self, bus: Bus, blobs: BlobStore, source: Source) -> None:
        self._bus = bus
        self._blobs = blobs
        self._catalogue = Catalogue(blobs)
        self._source = source

    async def __call__(self, running: Running[Retrieve]) -> None:
        """Do a job, publish its end, and only then take it off the queue.

        A job that a dead worker left goes on with what that one did not publish.

        Raises:
            BusUnavailable: its end could not be published; the job is delivered again.
        """
        wanted = running.job
        submitted = Submitted(running.generation, wanted, running.lane)
        async with guard(self._bus, wanted.origin, wanted.study, submitted):
            facts = Facts(self._bus, running)
            past = await facts.past()
            if not any(isinstance(fact, RetrieveDone) for fact in past):
                await self._do(running, facts, past)
            await running.acknowledge()

    async def _do(self, running: Running[Retrieve], facts: Facts, past: list[RetrieveFact]) -> None:
        wanted = running.job
        delivery = Delivery(self._bus, self._blobs, wanted, running.generation)
        delivery.remember(blobs_in(past))
        pulls = self._source.pulls(wanted, delivery)
        job = Job(wanted, self._source, running.lane, delivery, pulls, facts)
        job.begun = {blob.series_instance_uid for blob in delivery.blobs.values()}
        try:
            job.manifest = await self._catalogue.load(wanted.origin, wanted.study)
            if running.deaths >= MAX_DELIVERIES:
                detail = f"Given up after {MAX_DELIVERIES} workers died of it"
                outcome = Outcome(NotDelivered(detail, origin=wanted.origin), unlisted=True)
            else:
                outcome = await self._bring(running, job)
            outcome = await self._record(job, outcome)
        except StoreUnavailable as error:
            outcome = Outcome(error, unlisted=True)
        finally:
            delivery.close()
        await self._tell_the_end(job, outcome)

    async def _bring(self, running: Running[Retrieve], job: Job) -> Outcome:
        """Do what the job is for, for as long as somebody waits for it."""
        ahead = await AheadRequests.open(self._bus, job.wanted)
        try:
            await job.facts.started()
            if job.is_for_instance:
                work = InstanceRetrieve(job, job.wanted.instance or "").run()
            else:
                work = StudyRetrieve(job, ahead).run()
            return await self._while_wanted(running, job, asyncio.create_task(_outcome(job, work)))
        finally:
            try:
                await ahead.close()
            finally:
                await job.pulls.close()

    async def _while_wanted(
        self, running: Running[Retrieve], job: Job, bringing: asyncio.Task[Outcome]
    ) -> Outcome:
        leaving: set[asyncio.Task[None]] = set()
        if running.lane is Lane.INTERACTIVE:
            leaving.add(asyncio.create_task(self._until_nobody_waits(running)))
        try:
            await asyncio.wait({bringing, *leaving}, return_when=asyncio.FIRST_COMPLETED)
            if not bringing.done():
                job.pulls.cancel()
                await asyncio.wait({bringing}, timeout=CANCEL_SECONDS)
                await _settle(job.delivery)
            if bringing.done():
                return bringing.result()
        finally:
            job.delivery.close()
            # What is broken off aborts its association; the tasks end when the threads have.
            await end_tasks([bringing, *leaving])
        return Outcome(OriginCancelled("Nobody waited for it any more", origin=job.source.name))

    async def _until_nobody_waits(self, running: Running[Retrieve]) -> None:
        wanted = running.job
        subject = subjects.interest(wanted.origin, wanted.study, running.generation)
        nobody = False
        while True:
            await asyncio.sleep(INTEREST_SECONDS)
            try:
                await self._bus.client.request(subject, b"", ANSWER_SECONDS)
                nobody = False
            except nats.errors.NoRespondersError:
                if nobody:
                    return
                nobody = True
            except nats.errors.Error as error:
                # A bus in trouble says nothing about who waits.
                log.warning("interest unknown", error=type(error).__name__)

    async def _record(self, job: Job, outcome: Outcome) -> Outcome:
        """Write down what is held now; a job that cannot do that has failed."""
        after = manifest_after(job)
        try:
            if not after.series:
                if job.manifest is not None:
                    await self._catalogue.drop(after.origin, after.study)
            elif after != job.manifest:
                await self._catalogue.save(after)
        except StoreUnavailable as error:
            return Outcome(error, unlisted=True)
        try:
            await self._catalogue.forget(gone_from(job.manifest, after))
        except StoreUnavailable as error:
            log.warning("instances not deleted", origin=after.origin, detail=error.detail)
        return outcome

    async def _tell_the_end(self, job: Job, outcome: Outcome) -> None:
        # What is confirmed was not named one by one: it is read from the catalogue.
        completed = 0 if outcome.confirmed else len(job.delivery.received)
        over = outcome.confirmed or isinstance(outcome.failure, OriginCancelled)
        missing = Missing() if over else job.missing()
        if outcome.failure is not None:
            log.warning(
                "retrieve failed",
                origin=job.source.name,
                completed=completed,
                missing=len(missing),
                title=outcome.failure.title,
                detail=outcome.failure.detail,
            )
        await job.facts.done(
            completed, missing, outcome.failure, confirmed=outcome.confirmed, unlisted=outcome.unlisted
        )
        record_end(job, outcome, completed=completed, missing=len(missing))


async def _outcome(job: Job, work: Coroutine[None, None, Outcome]) -> Outcome:
    """Take what an origin or a part of ours failed with for the job's end.

    Raises:
        BusUnavailable: then nobody could be told.
    """
    try:
        outcome = await work
    except BusUnavailable:
        raise
    except IsthmusError as error:
        outcome = Outcome(error, unlisted=True)
    failure = outcome.failure
    if isinstance(failure, OriginCancelled) and not job.pulls.cancelled:
        # Where it was not us who cancelled, it is a failure as any other.
        detail = "The origin cancelled what nobody asked it to cancel"
        uncalled = OperationFailed(detail, origin=failure.origin, status=failure.status)
        return Outcome(uncalled, unlisted=True)
    return outcome


async def _settle(delivery: Delivery) -> None:
    """Let what has come arrive in S3, so that nobody has to pull it again."""
    with suppress(UnavailableError, TimeoutError):
        async with asyncio.timeout(CANCEL_SECONDS):
            await delivery.settle()
