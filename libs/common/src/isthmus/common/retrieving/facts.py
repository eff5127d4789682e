"""The facts of a retrieve job, on their way to whoever waits."""

from collections.abc import Iterable
from typing import Final

from isthmus.common.bus import Bus, progress, subjects
from isthmus.common.bus.jobs import Running
from isthmus.common.errors import IsthmusError
from isthmus.common.messages import (
    BlobRef,
    Failure,
    InstanceReady,
    InstancesHeld,
    Lacking,
    Retrieve,
    RetrieveDone,
    RetrieveFact,
    RetrieveStarted,
    SeriesDone,
    retrieve_fact,
)
from isthmus.common.retrieving.delivery import Delivery
from isthmus.common.retrieving.missing import Missing
from isthmus.common.telemetry import TRACEPARENT, inject

HELD_AT_ONCE: Final = 200
"""How many instances that are held already go into one fact."""


class Facts:
    """Publishes the facts of one generation; `InstanceReady` is the delivery's.

    Each has an id of its own, so that one that is sent twice is one. A worker that takes the job over counts
    anew, under its own number.

    What each method raises: BusUnavailable, when NATS does not take it.
    """

    def __init__(self, bus: Bus, running: Running[Retrieve]) -> None:
        self._bus = bus
        self._running = running
        self._subject = subjects.progress(running.job.origin, running.job.study, running.generation)
        self._held = 0

    async def past(self) -> list[RetrieveFact]:
        """Give what earlier workers have published."""
        if self._running.deliveries == 1:
            return []
        return await progress.replay(self._bus, self._subject, retrieve_fact)

    async def started(self) -> None:
        """Say that a worker took the job."""
        started = RetrieveStarted(self._running.job, inject().get(TRACEPARENT, ""))
        await self._publish(started, f"started.{self._running.deliveries}")

    async def lacking(self, missing: Missing, failure: Failure) -> None:
        """Say what the origin could not deliver before."""
        fact = Lacking(missing.named, failure, missing.unnamed)
        await self._publish(fact, f"lacking.{self._running.deliveries}")

    async def held(self, blobs: Iterable[BlobRef], delivery: Delivery) -> None:
        """Say what an earlier job has brought, as far as this one has not said so."""
        news = [blob for blob in blobs if blob.sop_instance_uid not in delivery.received]
        for start in range(0, len(news), HELD_AT_ONCE):
            batch = news[start : start + HELD_AT_ONCE]
            self._held += 1
            await self._publish(InstancesHeld(tuple(batch)), f"held.{self._running.deliveries}.{self._held}")
            delivery.remember(batch)

    async def series_done(
        self, series: str, completed: int, missing: Missing, failure: Failure | None, *, unlisted: bool
    ) -> None:
        """Say that a series is at its end."""
        done = SeriesDone(series, completed, missing.named, failure, missing.unnamed, unlisted)
        await self._publish(done, f"series.{self._running.deliveries}.{subjects.token(series)}")

    async def done(
        self,
        completed: int,
        missing: Missing,
        failure: IsthmusError | None,
        *,
        confirmed: bool,
        unlisted: bool,
    ) -> None:
        """End the generation."""
        told = Failure.of(failure) if failure is not None else None
        done = RetrieveDone(completed, missing.named, told, missing.unnamed, confirmed, unlisted)
        await self._publish(done, "done")

    async def _publish(self, fact: RetrieveFact, name: str) -> None:
        await progress.publish(self._bus, self._subject, fact, f"{self._running.generation}.{name}")


def blobs_in(facts: Iterable[RetrieveFact]) -> list[BlobRef]:
    """Give the instances that facts name."""
    blobs: list[BlobRef] = []
    for fact in facts:
        if isinstance(fact, InstanceReady):
            blobs.append(fact.blob)
        elif isinstance(fact, InstancesHeld):
            blobs.extend(fact.blobs)
    return blobs
