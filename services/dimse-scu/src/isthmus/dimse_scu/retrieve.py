"""A retrieve job, from its start to its end: list, pull, compare, tell."""

import asyncio
from typing import Final

import nats.errors
import structlog

from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus, end_tasks, progress, subjects
from isthmus.common.bus.jobs import MAX_DELIVERIES, Running
from isthmus.common.config import Origin, RetrieveMethod
from isthmus.common.dimse import AssociationPool
from isthmus.common.errors import BusUnavailable, IsthmusError, NotDelivered, OperationFailed, OriginCancelled
from isthmus.common.messages import (
    Failure,
    InstanceReady,
    MissingInstance,
    Retrieve,
    RetrieveDone,
    RetrieveStarted,
    retrieve_fact,
)
from isthmus.common.telemetry import inject
from isthmus.dimse_scu.delivery import Delivery
from isthmus.dimse_scu.get import Get
from isthmus.dimse_scu.listing import list_instances
from isthmus.dimse_scu.move import Move
from isthmus.dimse_scu.transfer import Pull, Transfer

INTEREST_SECONDS: Final = 2.0
"""How often a job asks whether anyone waits."""
SECOND_THOUGHT_SECONDS: Final = 1.0
"""How soon it asks again when nobody said so."""
ANSWER_SECONDS: Final = 0.5
CANCEL_SECONDS: Final = 3.0
"""How long a cancelled transfer may take to end, before its association is aborted."""

NAMED_AT_MOST: Final = 1000
"""How many missing instances the end of a job names: a message has room for 1 MiB."""

log = structlog.get_logger()


class RetrieveWork:
    """Works on the retrieve jobs of one origin."""

    def __init__(
        self, bus: Bus, blobs: BlobStore, pool: AssociationPool, origin: Origin, ae_title: str
    ) -> None:
        self._bus = bus
        self._blobs = blobs
        self._pool = pool
        self._origin = origin
        self._ae_title = ae_title

    async def __call__(self, running: Running[Retrieve]) -> None:
        """Do a job, publish its end, and only then take it off the queue.

        A job that a dead worker left goes on with what that one did not publish.

        Raises:
            BusUnavailable: its end could not be published; the job is delivered again.
        """
        wanted = running.job
        subject = subjects.progress(wanted.origin, wanted.study, running.generation)
        facts = await progress.replay(self._bus, subject, retrieve_fact) if running.deliveries > 1 else []
        if any(isinstance(fact, RetrieveDone) for fact in facts):
            await running.acknowledge()
            return
        if running.deliveries > MAX_DELIVERIES:
            detail = f"Given up after {MAX_DELIVERIES} workers died of it"
            done = RetrieveDone(0, (), Failure.of(NotDelivered(detail, origin=wanted.origin)))
        else:
            started = RetrieveStarted(wanted, inject().get("traceparent", ""))
            message_id = f"{running.generation}.started.{running.deliveries}"
            await progress.publish(self._bus, subject, started, message_id)
            delivery = Delivery(self._bus, self._blobs, wanted, running.generation)
            delivery.received.update(
                fact.blob.sop_instance_uid for fact in facts if isinstance(fact, InstanceReady)
            )
            done = await self._retrieve_while_wanted(running, delivery)
        await progress.publish(self._bus, subject, done, f"{running.generation}.done")
        await running.acknowledge()

    async def _retrieve_while_wanted(self, running: Running[Retrieve], delivery: Delivery) -> RetrieveDone:
        wanted = running.job
        transfers: list[Transfer] = []
        retrieving = asyncio.create_task(self._retrieve(wanted, delivery, transfers))
        leaving = asyncio.create_task(self._until_nobody_waits(running))
        try:
            await asyncio.wait({retrieving, leaving}, return_when=asyncio.FIRST_COMPLETED)
            if not retrieving.done():
                for transfer in transfers:
                    transfer.cancel()
                await asyncio.wait({retrieving}, timeout=CANCEL_SECONDS)
            if retrieving.done():
                return retrieving.result()
        finally:
            delivery.close()
            # What is broken off aborts its association; the tasks end when the threads have.
            await end_tasks([retrieving, leaving])
        cancelled = OriginCancelled("Nobody waited for it any more", origin=wanted.origin)
        return RetrieveDone(len(delivery.received), (), Failure.of(cancelled))

    async def _until_nobody_waits(self, running: Running[Retrieve]) -> None:
        wanted = running.job
        subject = subjects.interest(wanted.origin, wanted.study, running.generation)
        nobody = False
        while True:
            await asyncio.sleep(SECOND_THOUGHT_SECONDS if nobody else INTEREST_SECONDS)
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

    async def _retrieve(
        self, wanted: Retrieve, delivery: Delivery, transfers: list[Transfer]
    ) -> RetrieveDone:
        missing: list[MissingInstance] = []
        failure: IsthmusError | None = None
        try:
            listing = await list_instances(self._pool, wanted)
            pulls: dict[RetrieveMethod, Pull] = {
                RetrieveMethod.C_GET: Get(self._pool, delivery),
                RetrieveMethod.C_MOVE: Move(self._bus, self._pool, self._ae_title, wanted, delivery),
            }
            transfer = Transfer(self._origin, pulls, wanted, listing, delivery)
            transfers.append(transfer)
            try:
                failure = await transfer.run()
            finally:
                missing = [listed.missing for listed in transfer.missing()]
        except BusUnavailable:
            raise
        except OriginCancelled as error:
            # Where it was not us who cancelled, it is a failure as any other.
            failure = error if transfers and transfers[0].cancelled else _given_up(error)
        except IsthmusError as error:
            failure = error
        if failure is not None:
            log.warning(
                "retrieve failed",
                origin=wanted.origin,
                completed=len(delivery.received),
                missing=len(missing),
                title=failure.title,
                detail=failure.detail,
            )
        return RetrieveDone(
            len(delivery.received),
            tuple(missing[:NAMED_AT_MOST]),
            Failure.of(failure) if failure is not None else None,
            unnamed=len(missing[NAMED_AT_MOST:]),
        )


def _given_up(error: OriginCancelled) -> OperationFailed:
    return OperationFailed(
        "The origin cancelled what nobody asked it to cancel", origin=error.origin, status=error.status
    )
