"""The first pass over a study: each series of which nothing is here, as a whole (PS3.4 C.4.2, C.4.3)."""

from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from typing import Final

from isthmus.common.bus.jobs import Lane
from isthmus.common.errors import OriginCancelled, OriginError
from isthmus.common.retrieving.ask import Ask
from isthmus.common.retrieving.job import Job
from isthmus.common.retrieving.patience import meets_all, was_turned_away
from isthmus.common.retrieving.series import Series
from isthmus.common.retrieving.together import together
from isthmus.common.retrieving.wording import Form
from isthmus.common.telemetry import get_logger

PULLERS_AT_MOST: Final = 2
"""As many streams as one process can keep busy: four bring no more than two."""

log = get_logger(__name__)


class Sweep:
    """Pulls series after series, several at a time where the origin allows it.

    What fails is noted, and not tried again here: the repair is for that.
    """

    def __init__(
        self,
        job: Job,
        cold: Iterable[Series],
        list_series: Callable[[Series], Awaitable[None]],
        on_pulled: Callable[[], Awaitable[None]],
    ) -> None:
        """Prepare.

        Args:
            job: whose series they are.
            cold: the series, in their order.
            list_series: lists the instances of one that cannot be asked for unlisted.
            on_pulled: called when the origin is through with one.
        """
        self._job = job
        self._waiting = deque(cold)
        self._list_series = list_series
        self._on_pulled = on_pulled
        self._modalities = tuple(dict.fromkeys(one.listed_as.modality for one in self._waiting))
        self.failure: OriginError | None = None
        """The last thing that went wrong."""

    async def run(self) -> None:
        """Pull everything, and wait until it is in S3.

        Raises:
            OriginCancelled: the job was cancelled.
            UnavailableError: a part of ours failed.
        """
        if self._waiting:
            await together(*(self._pull_waiting() for _ in range(self._pullers())))
            await self._job.delivery.settle()

    def take(self, uid: str) -> Series | None:
        """Take out a series that is not yet begun."""
        for series in self._waiting:
            if series.uid == uid:
                self._waiting.remove(series)
                return series
        return None

    async def pull(self, series: Series, priority: int) -> None:
        """Pull one series as a whole.

        Raises:
            OriginError: it failed.
            UnavailableError: a part of ours did.
        """
        series.pulling = True
        try:
            wording = self._job.pulls.first.wording
            ask = await self._ask_for(series) if wording.allows(Form.SERIES) else None
            if ask is not None:
                series.asked_whole = True
                series.sent_whole = await self._job.pulls.first(ask, priority=priority) > 0
        finally:
            series.pulling = False
        await self._on_pulled()

    def _pullers(self) -> int:
        """Leave one for what is wanted ahead; what nobody waits for takes one."""
        if self._job.lane is Lane.BULK:
            return 1
        most = min(self._job.source.at_once - 1, PULLERS_AT_MOST, len(self._waiting))
        return max(1, most)

    async def _pull_waiting(self) -> None:
        while self._waiting:
            # Each series has a lease of its own: the pool keeps the association for the next one, unless
            # somebody waits for it.
            series = self._waiting.popleft()
            try:
                await self.pull(series, self._job.priority)
            except OriginCancelled:
                raise
            except OriginError as error:
                log.info("series not pulled", origin=error.origin, detail=error.detail)
                self.failure = error
                await self._job.delivery.settle()
                if was_turned_away(error):
                    # Some origins allow less at one time than their settings say: the others go on.
                    series.asked_whole = False
                    self._waiting.appendleft(series)
                    return
                if meets_all(error):
                    self._waiting.clear()

    async def _ask_for(self, series: Series) -> Ask | None:
        """Ask for a whole series; None where it would have to be listed first, and cannot be."""
        study, modality = self._job.wanted.study, series.listed_as.modality
        if self._job.pulls.first.asks_unlisted(modality):
            return Ask.for_unlisted(study, series.uid, dict.fromkeys((modality, *self._modalities)))
        await self._list_series(series)
        instances = (series.listing or {}).values()
        return Ask.for_series(study, series.uid, instances) if instances else None
