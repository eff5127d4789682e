"""A retrieve job of an inbox: nothing is to be fetched, what is there is in the catalogue."""

from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus, progress, subjects
from isthmus.common.bus.jobs import Running
from isthmus.common.errors import ContractError, IsthmusError, NoSuchObject, StoreUnavailable
from isthmus.common.inbox.catalogue import CatalogueWithInboxes
from isthmus.common.messages import Failure, Retrieve, RetrieveDone, RetrieveStarted
from isthmus.common.telemetry import inject


class RetrieveWork:
    """Works on the retrieve jobs of one inbox: faces look into the catalogue themselves, and need none."""

    def __init__(self, bus: Bus, blobs: BlobStore, inbox: str) -> None:
        self._bus = bus
        self._catalogue = CatalogueWithInboxes(blobs, bus, (inbox,))

    async def __call__(self, running: Running[Retrieve]) -> None:
        """Publish that it is in the catalogue, or that there is no such object.

        Raises:
            BusUnavailable: the end could not be published; the job is delivered again.
        """
        job = running.job
        subject = subjects.progress(job.origin, job.study, running.generation)
        started = RetrieveStarted(job, inject().get("traceparent", ""))
        generation = running.generation
        await progress.publish(self._bus, subject, started, f"{generation}.started.{running.deliveries}")
        done = await self._done(job)
        await progress.publish(self._bus, subject, done, f"{generation}.done")
        await running.acknowledge()

    async def _done(self, job: Retrieve) -> RetrieveDone:
        failure: IsthmusError
        try:
            manifest = await self._catalogue.load(job.origin, job.study)
        except (StoreUnavailable, ContractError) as error:
            failure = error
        else:
            if manifest is not None and manifest.covers(job, 0):
                return RetrieveDone(0, (), confirmed=True)
            failure = NoSuchObject(f"{job.origin!r} has no such object")
        return RetrieveDone(0, (), Failure.of(failure))
