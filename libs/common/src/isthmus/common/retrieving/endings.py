"""The ends of a job's series, told as soon as each is complete."""

from isthmus.common.errors import OriginError
from isthmus.common.messages import Failure
from isthmus.common.retrieving.job import Job
from isthmus.common.retrieving.series import Series


class Endings:
    """Publishes `SeriesDone`, once for each series."""

    def __init__(self, job: Job) -> None:
        self._job = job

    async def check(self) -> None:
        """Tell the ends of those of which it is known that all has come.

        Raises:
            BusUnavailable: NATS does not take it.
        """
        received = self._job.delivery.received
        arrived = self._job.arrived()
        for one in self._job.series:
            waits = one.told or one.pulling or not one.announced
            beyond = one.beyond_the_list(arrived[one.uid], len(one.set_aside))
            if not waits and not beyond and not one.to_be_pulled(received):
                await self._tell(one, None)

    async def tell_all(self, failure: OriginError | None) -> None:
        """Tell the ends of all others, whatever they lack.

        Raises:
            BusUnavailable: NATS does not take it.
        """
        for one in self._job.series:
            if not one.told:
                await self._tell(one, failure)

    async def _tell(self, series: Series, failure: OriginError | None) -> None:
        series.told = True
        missing = self._job.missing_of([series])
        why = series.unlisted or (failure if missing else None)
        told = Failure.of(why) if why is not None else (series.before.failure if missing else None)
        completed = self._job.arrived()[series.uid]
        await self._job.facts.series_done(series.uid, completed, missing, told, unlisted=not series.is_known)
