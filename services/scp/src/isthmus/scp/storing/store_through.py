"""A C-STORE to an origin that is no inbox: into the spool, to a worker, and back with its own answer.

Whoever is told that there was no answer in time, or has not waited for one, sends the same again, by and by:
it hears of the job that is there, and the origin gets the instance once.
"""

import asyncio
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from isthmus.common.blobs import PART, BlobStore, spool_key
from isthmus.common.bus import Bus, end_tasks
from isthmus.common.bus.forwards import derived_id
from isthmus.common.bus.stores import Heard, follow_store, hearing, new_timed_job, submit_store_once
from isthmus.common.config import DicomwebOrigin, DimseOrigin, Origin
from isthmus.common.dicom.statuses import DATA_SET_MISMATCH, SUCCESS, error_comment, meaning
from isthmus.common.dimse import Category, Operation, category, dimse_status
from isthmus.common.errors import BusUnavailable, Forbidden, NoDestination, NoWorker, StoreUnavailable
from isthmus.common.messages import BlobRef, InstanceStored, Store
from isthmus.common.telemetry import get_logger
from isthmus.scp.everything import AllOrigins
from isthmus.scp.sender import Sender
from isthmus.scp.storing.answer import Answer
from isthmus.scp.storing.arrived import Arrived
from isthmus.scp.storing.budget import Budget
from isthmus.scp.storing.onward import Onward, is_spooled

USUAL_SILENCE: Final = 30.0
"""Seconds, of an origin whose settings name no other."""
OWN_SECONDS: Final = 5.0
"""For all of it that is not the origin's."""
PART_SECONDS: Final = 10.0
"""More, for each part of a large one: it goes into S3, out of it, and to the origin."""
MOST_UNTOLD: Final = 10_000
FINISH_SECONDS: Final = 2.0

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Sent:
    """A store job of one instance."""

    job: Store
    sequence: int
    """In the stream STORES."""


class StoreThrough:
    """Takes what is for origins."""

    def __init__(self, bus: Bus, blobs: BlobStore, budget: Budget, destination_of_all: Origin | None) -> None:
        """Prepare.

        Args:
            bus: where the workers are.
            blobs: where the instances are on their way.
            budget: bytes that may be on their way into S3.
            destination_of_all: the origin that takes what is stored at all of them as one.
        """
        self._bus = bus
        self._blobs = blobs
        self._budget = budget
        self._destination_of_all = destination_of_all
        self._onward = Onward(bus, blobs, budget)
        self._clearing: set[asyncio.Task[None]] = set()
        self._untold: OrderedDict[str, Sent] = OrderedDict()
        """Jobs whose result nobody was told, by what they are of."""

    def seconds_for(self, called: Origin, size: int) -> float:
        """Give how long the answer to a C-STORE may take: a little longer than the origin may be silent."""
        origin = self._destination_of_all if isinstance(called, AllOrigins) else called
        silence = USUAL_SILENCE
        if isinstance(origin, DimseOrigin | DicomwebOrigin):
            silence = origin.timeout_seconds
        return silence + OWN_SECONDS + PART_SECONDS * (size // PART)

    async def store(self, called: Origin, sender: Sender, arrived: Arrived) -> Answer:
        """Have the called origin store an instance, and give its answer; or hold it, where that is enough.

        Raises:
            NoDestination: all origins are called as one, and nobody said which of them takes it.
            MalformedDataset: it breaks off.
            UnavailableError: S3, NATS or the worker is away; whoever repeats it hears of
                what was sent.
        """
        mismatch = arrived.command.mismatch(arrived.identity)
        if mismatch is not None:
            return Answer.of(DATA_SET_MISMATCH, mismatch)
        origin = self._destination(called)
        digest = (await arrived.described()).digest
        name = derived_id("C-STORE", origin.name, arrived.identity.sop_instance_uid, digest)
        if is_spooled(origin):
            await self._onward.take(origin, arrived, name)
            return Answer(SUCCESS)
        untold = await self._untold_result(name, sender)
        if untold is not None and untold.failure is None:
            return _answer(untold)
        job = new_timed_job()
        async with hearing(self._bus, origin.name, job) as heard:
            sent = await self._send(origin, arrived, job, name)
            return _answer(await self._result(name, sender, sent, heard if sent.job.job == job else None))

    def _destination(self, called: Origin) -> Origin:
        if not isinstance(called, AllOrigins):
            return called
        if self._destination_of_all is None:
            raise NoDestination("Of several origins none is set to take this")
        return self._destination_of_all

    async def _untold_result(self, name: str, sender: Sender) -> InstanceStored | None:
        """Give what became of the same instance when it was sent before; None if nobody knows."""
        sent = self._untold.get(name)
        if sent is None:
            return None
        try:
            return await self._result(name, sender, sent)
        except BusUnavailable:
            log.info("a store job is lost that nobody was told of", origin=sent.job.origin)
            self._untold.pop(name, None)
            return None
        except (NoWorker, Forbidden):
            return None

    async def _send(self, origin: Origin, arrived: Arrived, job: str, name: str) -> Sent:
        """Put an instance into the spool, and its job into the queue, if none of the same is there."""
        ref = arrived.ref(self._blobs.bucket, spool_key(job, 0))
        async with self._budget.taken(arrived.size):
            await self._blobs.put(ref.key, arrived.file)
        # Should NATS not say whether it has the job, the blob stays: what is left of jobs is swept up.
        store, sequence = await submit_store_once(self._bus, Store(origin.name, job, (ref,)), name)
        if store.job != job:
            self._clear((ref,))
        return Sent(store, sequence)

    async def _result(
        self, name: str, sender: Sender, sent: Sent, heard: Heard | None = None
    ) -> InstanceStored:
        """Wait for what becomes of an instance; it is no longer in the spool then."""
        try:
            result = await self._first(sent, heard)
        except (NoWorker, Forbidden):  # its job was taken back, or refused: nothing was sent
            self._untold.pop(name, None)
            self._clear(sent.job.blobs)
            raise
        except BaseException:
            self._keep(name, sent)
            raise
        if sender.is_gone:
            self._keep(name, sent)
        else:
            self._untold.pop(name, None)
        self._clear(sent.job.blobs)
        return result

    def _keep(self, name: str, sent: Sent) -> None:
        """Remember a job of which nobody hears what became of it."""
        self._untold[name] = sent
        if len(self._untold) > MOST_UNTOLD:
            self._untold.popitem(last=False)

    async def _first(self, sent: Sent, heard: Heard | None) -> InstanceStored:
        result = await heard() if heard is not None else None
        if result is not None:
            return result
        async with follow_store(self._bus, sent.job, sent.sequence) as results:
            async for result in results:
                return result
        raise BusUnavailable("The store job ended without a result")

    def _clear(self, refs: tuple[BlobRef, ...]) -> None:
        """Delete from the spool, while the sender has its answer already."""
        task = asyncio.create_task(self._delete([ref.key for ref in refs]))
        self._clearing.add(task)
        task.add_done_callback(self._clearing.discard)

    async def _delete(self, keys: list[str]) -> None:
        try:
            await self._blobs.delete_all(keys)
        except StoreUnavailable as error:  # what is left is swept up
            log.warning("spool not cleared", detail=error.detail)

    async def finish(self) -> None:
        """Wait a little for what is being deleted; what is left then is swept up."""
        if self._clearing:
            await asyncio.wait(self._clearing, timeout=FINISH_SECONDS)
        await end_tasks(self._clearing)


def _answer(result: InstanceStored) -> Answer:
    """Give the origin's own status, or, where it gave none, that of what failed."""
    if result.failure is not None:
        error = result.failure.error()
        return Answer.of(dimse_status(error, Operation.C_STORE), error.detail)
    if category(result.status) is Category.SUCCESS:
        return Answer(result.status)
    return Answer(result.status, error_comment(meaning(result.status)))
