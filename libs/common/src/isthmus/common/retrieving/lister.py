"""Listing the instances of a job's series, beside the transfer."""

import time
from collections.abc import Awaitable, Callable, Iterable

from isthmus.common.errors import OriginCancelled, OriginError
from isthmus.common.retrieving.job import Job
from isthmus.common.retrieving.patience import meets_all, with_a_second_try
from isthmus.common.retrieving.series import Series
from isthmus.common.telemetry import get_logger

log = get_logger(__name__)


class Lister:
    """Lists each series once, whoever needs it first, each apart from what is pulled at that time.

    Nobody who is pulling waits for it, so it may wait for its turn.
    """

    def __init__(self, job: Job, on_listed: Callable[[Series], Awaitable[None]]) -> None:
        """Prepare; `on_listed` is called when a series is listed."""
        self._job = job
        self._on_listed = on_listed

    async def list_all(self, series: Iterable[Series]) -> None:
        """List them, one after the other; what cannot be listed says so in itself.

        An origin that is silent about one is not asked about the others: each would take its time-out.
        """
        failure: OriginError | None = None
        for one in series:
            if meets_all(failure) and one.listing is None:
                one.unlisted = failure
                continue
            await self.list(one)
            failure = one.unlisted

    async def list(self, series: Series) -> None:
        """List one, unless it is listed already; what stands against it is noted in it.

        Raises:
            OriginCancelled: the job was cancelled.
        """
        job = self._job
        async with series.listing_lock:
            if series.listing is not None:
                return
            asked_at = time.time()
            try:
                series.listing = await with_a_second_try(
                    lambda: job.pulls.listing(
                        job.source.list_instances(job.wanted, series.listed_as, priority=job.priority)
                    )
                )
            except OriginError as error:
                if isinstance(error, OriginCancelled) and job.pulls.cancelled:
                    raise
                log.info("series not listed", origin=error.origin, detail=error.detail)
                series.unlisted = error
                return
            series.unlisted = None
            series.listed_at = asked_at
        await self._on_listed(series)
