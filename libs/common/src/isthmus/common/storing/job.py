"""The beginning and the end of a store job: what is left of it, and when it is off the queue."""

from collections.abc import Awaitable, Callable, Coroutine, Sequence

from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus, progress, subjects
from isthmus.common.bus.jobs import MAX_DELIVERIES, Running
from isthmus.common.dicom.statuses import PROCESSING_FAILURE, as_attribute
from isthmus.common.errors import BlobMissing, IsthmusError, NotDelivered, OperationFailed, StoreUnavailable
from isthmus.common.messages import BlobRef, Failure, InstanceStored, Store, StoreDone, decode, store_fact
from isthmus.common.telemetry import get_logger
from isthmus.common.telemetry.attributes import DICOM_ORIGIN, DICOM_STATUS
from isthmus.common.telemetry.instruments import store_instances

Numbered = tuple[int, BlobRef]
"""An instance with its place in the job."""
Answer = Callable[[InstanceStored], Coroutine[None, None, None]]
"""Publishes what became of an instance, durably."""

log = get_logger(__name__)


async def work_off(
    bus: Bus,
    blobs: BlobStore,
    running: Running[Store],
    send: Callable[[Sequence[Numbered], Answer], Awaitable[None]],
) -> None:
    """Have every instance of a job sent, then publish its end; only then is the job off the queue.

    A job that a dead worker left goes on after the last published answer; of one that several workers died of
    nothing more is tried.

    Args:
        bus: the bus.
        blobs: where the manifest of the job is, if it has one.
        running: the job.
        send: given what is not answered yet; it returns when it has answered all of it.

    Raises:
        UnavailableError: NATS or S3 is away; the job is delivered again.
    """
    store = running.job
    subject = subjects.stored(store.origin, store.job)
    facts = await progress.replay(bus, subject, store_fact) if running.deliveries > 1 else []
    if any(isinstance(fact, StoreDone) for fact in facts):
        await running.acknowledge()
        return
    results = {fact.index: fact for fact in facts if isinstance(fact, InstanceStored)}

    async def answer(result: InstanceStored) -> None:
        await progress.publish(bus, subject, result, f"{store.job}.{result.index}")
        results[result.index] = result
        store_instances.add(1, {DICOM_ORIGIN: store.origin, DICOM_STATUS: as_attribute(result.status)})

    left = [one for one in enumerate(await _refs(blobs, running)) if one[0] not in results]
    if running.deaths < MAX_DELIVERIES:
        await send(left, answer)
    else:
        error = NotDelivered(f"Given up after {MAX_DELIVERIES} workers died of it", origin=store.origin)
        for one in left:
            await answer(not_stored(*one, error))
    failed = sum(result.failure is not None for result in results.values())
    done = StoreDone(len(results) - failed, failed)
    await progress.publish(bus, subject, done, f"{store.job}.done")
    await running.acknowledge()


def not_stored(index: int, ref: BlobRef, error: IsthmusError) -> InstanceStored:
    """Write down why an instance is not there: with the status that an origin gave, or 0110 without one."""
    status = error.status if isinstance(error, OperationFailed) and error.status else PROCESSING_FAILURE
    return InstanceStored(index, ref.sop_class_uid, ref.sop_instance_uid, status, Failure.of(error))


async def _refs(blobs: BlobStore, running: Running[Store]) -> Sequence[BlobRef]:
    store = running.job
    if store.manifest is None:
        return store.blobs
    try:
        return decode(await blobs.get(store.manifest), Store).blobs
    except StoreUnavailable as error:
        if not isinstance(error, BlobMissing) and running.deaths < MAX_DELIVERIES:
            raise
        # Nobody knows any more what was to be sent: who asked has gone, or will hear of no result.
        log.warning("store without its manifest", origin=store.origin, detail=error.detail)
        return ()
