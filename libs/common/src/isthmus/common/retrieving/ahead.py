"""What a viewer wants before the rest of a job: beside the rest, where the origin allows two at a time."""

import asyncio
from typing import Final, Self

from isthmus.common.auth import Right
from isthmus.common.bus import Bus, Serving, end_tasks, subjects
from isthmus.common.bus.granted import Guarded
from isthmus.common.errors import IsthmusError, OriginCancelled
from isthmus.common.messages import Ahead, AheadTaken, Retrieve
from isthmus.common.retrieving.ask import Ask
from isthmus.common.retrieving.job import Job
from isthmus.common.retrieving.listing import Listed
from isthmus.common.retrieving.series import Series
from isthmus.common.retrieving.sweep import Sweep
from isthmus.common.retrieving.wording import Form
from isthmus.common.telemetry import get_logger

INTERACTIVE: Final = 0
"""Priority: somebody waits for it, whatever the job's own lane."""

log = get_logger(__name__)


class AheadRequests:
    """Takes what is wanted ahead of a job's order, and brings one after the other.

    What fails here is only logged: the job brings it anyway, later.
    """

    def __init__(self) -> None:
        self._wanted: asyncio.Queue[Ahead] = asyncio.Queue()
        self._serving: Serving | None = None
        self._bringing: asyncio.Task[None] | None = None

    @classmethod
    async def open(cls, bus: Bus, wanted: Retrieve) -> Self:
        """Take requests from now on.

        Raises:
            BusUnavailable: NATS does not take the subscription.
        """
        requests = cls()
        subject = subjects.ahead(wanted.origin, wanted.study)
        guarded = Guarded(wanted.origin, Right.RETRIEVE, study=wanted.study)
        requests._serving = await bus.serve(subject, "", requests._take, Ahead, guarded=guarded)
        return requests

    async def _take(self, ahead: Ahead) -> AheadTaken:
        self._wanted.put_nowait(ahead)
        return AheadTaken()

    def begin(self, job: Job, sweep: Sweep) -> None:
        """Bring what is asked for; until now it waited."""
        self._bringing = asyncio.create_task(self._bring_all(job, sweep))

    async def idle(self) -> None:
        """Wait until all that was asked for until now has come or failed."""
        if self._bringing is None:
            return
        joining = asyncio.create_task(self._wanted.join())
        await asyncio.wait({joining, self._bringing}, return_when=asyncio.FIRST_COMPLETED)
        await end_tasks([joining])

    async def close(self) -> None:
        """Take no more, and break off what is under way."""
        try:
            if self._serving is not None:
                await self._serving.finish()
        finally:
            if self._bringing is not None:
                await end_tasks([self._bringing])

    async def _bring_all(self, job: Job, sweep: Sweep) -> None:
        while True:
            ahead = await self._wanted.get()
            try:
                await _bring(job, sweep, ahead)
            except OriginCancelled:
                log.debug("ahead cancelled", origin=job.source.name)
            except IsthmusError as error:
                log.warning("not brought ahead", origin=job.source.name, detail=error.detail)
            finally:
                self._wanted.task_done()


async def _bring(job: Job, sweep: Sweep, ahead: Ahead) -> None:
    series = next((one for one in job.series if one.uid == ahead.series), None)
    if series is None:
        return
    if ahead.instance is None or not job.pulls.first.wording.allows(Form.INSTANCE):
        if sweep.take(ahead.series) is not None:
            await sweep.pull(series, INTERACTIVE)
        return
    held = {blob.sop_instance_uid for blob in series.held()}
    if ahead.instance not in job.delivery.received and ahead.instance not in held:
        await job.pulls.first(_ask_for(job, series, ahead.instance), priority=INTERACTIVE)


def _ask_for(job: Job, series: Series, instance: str) -> Ask:
    listed = (series.listing or {}).get(instance)
    if listed is None:
        listed = Listed(series.uid, instance, _class_in(job, series), series.listed_as.modality)
    return Ask.for_instances(job.wanted.study, [listed])


def _class_in(job: Job, series: Series) -> str:
    """Give the SOP class of what has come of a series, where its modality does not tell it."""
    if job.pulls.first.asks_unlisted(series.listed_as.modality):
        return ""
    blobs = job.delivery.blobs.values()
    return next((blob.sop_class_uid for blob in blobs if blob.series_instance_uid == series.uid), "")
