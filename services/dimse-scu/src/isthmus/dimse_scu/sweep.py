"""The first pass over a study: each series of which nothing is here, as a whole (PS3.4 C.4.2, C.4.3)."""

from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from typing import Final

from isthmus.common.bus.jobs import Lane
from isthmus.common.config import RetrieveMethod
from isthmus.common.dicom.levels import Level
from isthmus.common.dimse import classes_of, for_get
from isthmus.common.errors import (
    AssociationRejected,
    CircuitOpen,
    NoAcceptedContext,
    OriginCancelled,
    OriginError,
    OriginTimeout,
    OriginUnreachable,
)
from isthmus.common.telemetry import get_logger
from isthmus.dimse_scu.ask import Ask, sop_classes, tells_classes
from isthmus.dimse_scu.job import Job
from isthmus.dimse_scu.series import Series
from isthmus.dimse_scu.together import together
from isthmus.dimse_scu.wording import Form

PULLERS_AT_MOST: Final = 2
"""Associations that one process can keep busy: four bring no more than two."""
_FOR_ALL: Final = (OriginUnreachable, OriginTimeout, CircuitOpen, NoAcceptedContext)
"""Errors that the next series would meet too."""

log = get_logger(__name__)


class Sweep:
    """Pulls series after series, over several associations where the origin allows it.

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
            list_series: lists the instances of one whose modality does not tell their SOP classes.
            on_pulled: called when the origin is through with one.
        """
        self._job = job
        self._waiting = deque(cold)
        self._list_series = list_series
        self._on_pulled = on_pulled
        self._classes = _classes_of_all(self._waiting)
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
            classes = await self._classes_in(series) if wording.allows(Form.SERIES) else ()
            if classes:
                series.asked_whole = True
                ask = Ask(Level.SERIES, self._job.wanted.study, series.uid, classes)
                series.sent_whole = await self._job.pulls.first(ask, priority=priority) > 0
        finally:
            series.pulling = False
        await self._on_pulled()

    def _pullers(self) -> int:
        """Leave one association for what is wanted ahead; what nobody waits for takes one."""
        if self._job.lane is Lane.BULK:
            return 1
        most = min(self._job.origin.associations - 1, PULLERS_AT_MOST, len(self._waiting))
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
                if isinstance(error, AssociationRejected):
                    # Some origins allow fewer associations than their settings say: the others go on.
                    series.asked_whole = False
                    self._waiting.appendleft(series)
                    return
                if isinstance(error, _FOR_ALL):
                    self._waiting.clear()

    async def _classes_in(self, series: Series) -> tuple[str, ...]:
        """Give the SOP classes to propose; none where nobody knows."""
        modality = series.listed_as.modality
        if tells_classes(modality) or self._job.pulls.first.method is RetrieveMethod.C_MOVE:
            return self._classes or classes_of((modality,))
        await self._list_series(series)
        return sop_classes((series.listing or {}).values())


def _classes_of_all(series: Iterable[Series]) -> tuple[str, ...]:
    """Give the classes of all series, if one association can bring them: then it serves them all."""
    classes = classes_of(one.listed_as.modality for one in series)
    return classes if len(for_get(classes)) == 1 else ()
