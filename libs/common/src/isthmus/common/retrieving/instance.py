"""Bringing one instance: held, or asked for by its UID at once."""

import time

from isthmus.common.errors import IsthmusError, OriginCancelled, OriginError, OriginTimeout
from isthmus.common.retrieving.ask import Ask
from isthmus.common.retrieving.job import Job, Outcome
from isthmus.common.retrieving.listing import Listed, Listing, is_listed, lacking
from isthmus.common.retrieving.patience import with_a_second_try
from isthmus.common.retrieving.series import Series, Standing
from isthmus.common.retrieving.study import repair, survey, tell_what_lacks


class InstanceRetrieve:
    """Brings an instance of a series; nothing is listed before it comes, nor when it has come."""

    def __init__(self, job: Job, instance: str) -> None:
        self._job = job
        self._instance = instance

    async def run(self) -> Outcome:
        """Do it.

        Raises:
            OriginCancelled: the job was cancelled.
            OriginError: the origin could not be asked what it has.
            UnavailableError: a part of ours failed.
        """
        job = self._job
        await survey(job)
        if not job.series or self._has_come():
            return Outcome()
        (series,) = job.series
        if any(held.blob.sop_instance_uid == self._instance for held in series.before.instances):
            return await self._confirm(series)
        if self._instance in series.set_aside:
            if series.standing is Standing.CONFIRMED:
                return Outcome(confirmed=True)
            await tell_what_lacks(job)
            job.alone = self._as_listed(series)
            return Outcome(series.before.failure.error() if series.before.failure is not None else None)
        await tell_what_lacks(job)
        return Outcome(await self._pull(series))

    async def _confirm(self, series: Series) -> Outcome:
        """Serve what is held, if it is still there."""
        if series.standing is not Standing.CONFIRMED:
            asked_at = time.time()
            if not is_listed(self._instance, await self._list(series)):
                self._job.gone.add(self._instance)
                return Outcome()
            self._job.seen[self._instance] = asked_at
        return Outcome(confirmed=True)

    async def _pull(self, series: Series) -> IsthmusError | None:
        job = self._job
        listed = self._as_listed(series)
        if not listed.sop_class_uid and not job.pulls.first.asks_unlisted(listed.modality):
            if not await self._find(series):
                return None
            listed = job.alone or listed
        error: OriginError | None = None
        ask = Ask.for_instances(job.wanted.study, [listed])
        try:
            if job.pulls.first.wording.suits(ask):
                await job.pulls.first(ask, priority=job.priority)
        except OriginCancelled:
            raise
        except OriginError as caught:
            error = caught
        await job.delivery.settle()
        if self._has_come() or not (job.alone or await self._find(series)):
            return None
        return await repair(job, [job.alone or listed], silent=isinstance(error, OriginTimeout))

    async def _find(self, series: Series) -> bool:
        """Ask whether there is such an instance at all."""
        listing = await self._list(series)
        self._job.alone = next(iter(listing.values()), None)
        return self._job.alone is not None

    async def _list(self, series: Series) -> Listing:
        job = self._job
        return await with_a_second_try(
            lambda: job.pulls.listing(
                job.source.list_instances(
                    job.wanted, series.listed_as, instance=self._instance, priority=job.priority
                )
            )
        )

    def _as_listed(self, series: Series) -> Listed:
        """Describe it as the origin would; its class is that of the others of its series."""
        sop_class = next((held.blob.sop_class_uid for held in series.before.instances), "")
        return Listed(series.uid, self._instance, sop_class, series.listed_as.modality)

    def _has_come(self) -> bool:
        return not lacking([Listed("", self._instance, "", "")], self._job.delivery.received)
