"""A retrieve job of an inbox or a bucket: nothing is to be fetched, what is there is in the catalogue."""

from collections.abc import Awaitable, Callable

from isthmus.common.bus import Bus, progress, subjects
from isthmus.common.bus.jobs import Running
from isthmus.common.errors import ContractError, IsthmusError, NoSuchObject, StoreUnavailable
from isthmus.common.inbox.catalogue import CatalogueWithInboxes
from isthmus.common.messages import Failure, Retrieve, RetrieveDone, RetrieveStarted
from isthmus.common.telemetry import TRACEPARENT, inject

Refresh = Callable[[str], Awaitable[None]]
"""Given a Study Instance UID."""


class RetrieveWork:
    """Works on the retrieve jobs of one of them: of what the catalogue has not, or what a reader missed."""

    def __init__(self, bus: Bus, catalogue: CatalogueWithInboxes, refresh: Refresh | None = None) -> None:
        """Prepare.

        Args:
            bus: where jobs end.
            catalogue: what is there.
            refresh: brings the catalogue up to date with what others may have changed of a study.
        """
        self._bus = bus
        self._catalogue = catalogue
        self._refresh = refresh

    async def __call__(self, running: Running[Retrieve]) -> None:
        """Look at the study, and publish that it is in the catalogue, or that there is no such object.

        Raises:
            BusUnavailable: the end could not be published; the job is delivered again.
        """
        job, generation = running.job, running.generation
        subject = subjects.progress(job.origin, job.study, generation)
        started = RetrieveStarted(job, inject().get(TRACEPARENT, ""))
        await progress.publish(self._bus, subject, started, f"{generation}.started.{running.deliveries}")
        done = await self._done(job)
        await progress.publish(self._bus, subject, done, f"{generation}.done")
        await running.acknowledge()

    async def _done(self, job: Retrieve) -> RetrieveDone:
        failure: IsthmusError
        try:
            if self._refresh is not None:
                await self._refresh(job.study)
            manifest = await self._catalogue.load(job.origin, job.study)
        except (StoreUnavailable, ContractError) as error:
            failure = error
        else:
            if manifest is not None and manifest.covers(job, 0):
                return RetrieveDone(0, (), confirmed=True)
            failure = NoSuchObject(f"{job.origin!r} has no such object")
        return RetrieveDone(0, (), Failure.of(failure))
