"""Bringing a study, or one of its series: survey, plan, sweep, listing, repair."""

import time
from collections.abc import Iterable

from isthmus.common.errors import (
    NotDelivered,
    OriginCancelled,
    OriginError,
    OriginTimeout,
)
from isthmus.common.messages import Failure
from isthmus.common.retrieving.ahead import AheadRequests
from isthmus.common.retrieving.endings import Endings
from isthmus.common.retrieving.job import Job, Outcome
from isthmus.common.retrieving.lister import Lister
from isthmus.common.retrieving.listing import Listed
from isthmus.common.retrieving.missing import Missing
from isthmus.common.retrieving.patience import was_turned_away, with_a_second_try
from isthmus.common.retrieving.series import Series, Standing, plan
from isthmus.common.retrieving.sweep import Sweep
from isthmus.common.retrieving.together import together
from isthmus.common.retrieving.transfer import Transfer


async def survey(job: Job) -> None:
    """Ask for the series in scope, the one thing that stands before the first pull, and plan from it.

    Raises:
        OriginCancelled: the job was cancelled.
        OriginError: the origin failed.
    """
    asked_at = time.time()
    listed = await with_a_second_try(
        lambda: job.pulls.listing(job.source.list_series(job.wanted, priority=job.priority))
    )
    job.series = plan(listed, job.manifest, job.begun, asked_at)
    job.surveyed = asked_at


async def tell_what_lacks(job: Job) -> None:
    """Publish what the origin could not deliver before, if there is anything.

    Raises:
        BusUnavailable: NATS does not take it.
    """
    remembered = [series.before for series in job.series if series.before.missing]
    missing = [
        one
        for before in remembered
        for one in before.missing
        if job.wanted.instance in (None, one.sop_instance_uid)
    ]
    if missing and not job.begun:
        failure = next((before.failure for before in remembered if before.failure), None)
        await job.facts.lacking(Missing.of(missing), failure or Failure.of(_could_not(job)))


async def repair(job: Job, expected: Iterable[Listed], *, silent: bool = False) -> OriginError | None:
    """Ask again for what is listed and has not come; give the failure if something lacks in the end.

    Args:
        job: whose it is.
        expected: what shall come, whether it has or not.
        silent: whether the origin gave no answer when it was asked before.

    Raises:
        OriginCancelled: the job was cancelled.
        UnavailableError: a part of ours failed.
    """
    transfer = Transfer(
        job.pulls.steps,
        job.wanted,
        expected,
        job.delivery,
        timeout=job.source.timeout_seconds,
        asked_whole=[series.uid for series in job.series if series.asked_whole],
        silent=silent,
    )
    try:
        return await transfer.run()
    finally:
        job.refused.update(transfer.refused)


class StudyRetrieve:
    """Brings all that lacks of the series in scope."""

    def __init__(self, job: Job, ahead: AheadRequests) -> None:
        self._job = job
        self._ahead = ahead
        self._announcing = False
        self._lister = Lister(job, self._on_listed)
        self._endings = Endings(job)

    async def run(self) -> Outcome:
        """Do it.

        Raises:
            OriginCancelled: the job was cancelled.
            OriginError: the origin could not be asked what it has.
            UnavailableError: a part of ours failed.
        """
        job = self._job
        await survey(job)
        if await self._all_confirmed():
            for series in job.series:
                job.delivery.remember(series.held())
            return Outcome(confirmed=True)
        await tell_what_lacks(job)
        await self._tell_what_is_held()
        sweep = Sweep(job, self._cold(), self._lister.list, self._endings.check)
        self._ahead.begin(job, sweep)
        await self._sweep_and_list(sweep)
        await self._ahead.idle()
        expected = [one for series in job.series for one in series.to_be_brought()]
        failure = await repair(job, expected, silent=isinstance(sweep.failure, OriginTimeout))
        failure = await self._ask_for_what_is_counted() or failure
        failure = self._failure(failure, sweep.failure)
        await self._endings.tell_all(failure)
        return Outcome(failure, unlisted=not all(series.is_known for series in job.series))

    async def _all_confirmed(self) -> bool:
        """Tell whether all is here that the origin has and can deliver, and nothing is to be tried again."""
        whole = (Standing.CONFIRMED, Standing.DOUBTFUL)
        if (
            not self._job.series
            or self._job.begun
            or any(one.standing not in whole or one.is_to_be_tried_again for one in self._job.series)
        ):
            return False
        await self._lister.list_all(one for one in self._job.series if not one.is_known)
        return all(one.is_unchanged() for one in self._job.series)

    async def _tell_what_is_held(self) -> None:
        """Publish what is here and still there; of series that are listed later, when they are."""
        self._announcing = True
        for series in self._job.series:
            if series.is_known:
                await self._on_listed(series)

    async def _on_listed(self, series: Series) -> None:
        if self._announcing:
            await self._job.facts.held(series.held(), self._job.delivery)
            series.announced = True
            await self._endings.check()

    def _cold(self) -> list[Series]:
        return [one for one in self._job.series if one.standing is Standing.COLD]

    async def _sweep_and_list(self, sweep: Sweep) -> None:
        # What is partly here is listed first: that tells what is to be pulled of it.
        unknown = [one for one in self._job.series if not one.is_known]
        unknown.sort(key=lambda one: one.standing is Standing.COLD)
        if self._job.source.at_once > 1:
            await together(sweep.run(), self._lister.list_all(unknown))
            # Some origins allow less at one time than their settings say.
            await self._lister.list_all(one for one in unknown if was_turned_away(one.unlisted))
        else:
            await sweep.run()
            await self._lister.list_all(unknown)

    async def _ask_for_what_is_counted(self) -> OriginError | None:
        """Ask for a whole series of which the origin counts more than it lists, and has not sent all."""
        job = self._job
        failure: OriginError | None = None
        for series in job.series:
            if not series.beyond_the_list(job.arrived()[series.uid], len(series.set_aside)):
                continue
            ask = job.pulls.first.wording.whole(job.wanted.study, series.uid, series.expected())
            if ask is None:
                continue
            try:
                series.sent_whole = await job.pulls.first(ask, priority=job.priority) > 0
            except OriginCancelled:
                raise
            except OriginError as error:
                failure = error
            await job.delivery.settle()
        return failure

    def _failure(self, repairing: OriginError | None, sweeping: OriginError | None) -> OriginError | None:
        """Give what stands against calling it whole."""
        job = self._job
        unlisted = [one for one in job.series if not one.is_known]
        if unlisted:
            return unlisted[0].unlisted or sweeping
        return (repairing or sweeping or _could_not(job)) if job.missing() else None


def _could_not(job: Job) -> NotDelivered:
    return NotDelivered("The origin could not deliver it before", origin=job.source.name)
