"""Origins with their workers, as far as searches and transfers go."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus
from isthmus.common.bus.jobs import Running
from isthmus.common.config import DimseOrigin
from isthmus.common.dicom.levels import Level
from isthmus.common.errors import IsthmusError
from isthmus.common.federation import FederatedReading, Federation, Visible, Wanted
from isthmus.common.messages import BlobRef, Failure, Lacking, MissingInstance, Retrieve, RetrieveDone
from isthmus.common.retrieval import Catalogue, Retrieval
from tests.common.retrieval.worker import FakeWorker, at_work
from tests.qido.pacs import Pacs, attributes

SECONDS = 0.5
"""How long an origin that hangs is waited for."""


class OpenFederation(Federation):
    """For somebody who may see all that its origins have."""

    everything: Visible

    @asynccontextmanager
    async def read(self, wanted: Wanted, among: Visible | None = None) -> AsyncIterator[FederatedReading]:
        async with super().read(wanted, among or self.everything) as reading:
            yield reading

    async def origins_of(self, study: str, among: Visible | None = None) -> list[str]:
        return await super().origins_of(study, among or self.everything)


class FakeOrigin:
    """Lists what it holds, and delivers it."""

    def __init__(self, name: str, worker: FakeWorker) -> None:
        self.name = name
        self.pacs = Pacs()
        self.worker = worker
        self.blobs: list[BlobRef] = []
        self.lacking: tuple[MissingInstance, ...] = ()
        """What it lists, and is known not to deliver."""
        self.failure: IsthmusError | None = None
        """How a transfer ends, after what is there, if it is not well."""
        worker.script = self._deliver

    def holds(self, *blobs: BlobRef) -> None:
        """Add instances to the archive."""
        self.blobs += blobs
        for blob in blobs:
            uids = {"StudyInstanceUID": blob.study_instance_uid}
            self._list(Level.STUDY, uids)
            uids["SeriesInstanceUID"] = blob.series_instance_uid
            self._list(Level.SERIES, uids)
            uids["SOPInstanceUID"] = blob.sop_instance_uid
            self._list(Level.IMAGE, uids)

    def lists(self, series: str, instance: str) -> None:
        """List an instance that it does not have."""
        uids = {
            "StudyInstanceUID": self.blobs[0].study_instance_uid,
            "SeriesInstanceUID": series,
            "SOPInstanceUID": instance,
        }
        self._list(Level.IMAGE, uids)

    def _list(self, level: Level, uids: dict[str, str]) -> None:
        match = attributes(**uids)
        if match not in self.pacs.matches[level]:
            self.pacs.matches[level].append(match)

    def is_empty_now(self) -> None:
        """Take all away."""
        self.blobs.clear()
        self.pacs.matches = {level: [] for level in Level}

    @property
    def asked(self) -> Sequence[Level]:
        """The levels of the queries that came."""
        return self.pacs.levels_asked()

    @property
    def jobs(self) -> list[tuple[str | None, str | None]]:
        """The series and instances of the transfers that came."""
        return [(job.series, job.instance) for job in self.worker.jobs]

    async def _deliver(self, worker: FakeWorker, running: Running[Retrieve]) -> RetrieveDone:
        job = running.job
        blobs = [
            blob
            for blob in self.blobs
            if job.study == blob.study_instance_uid
            and job.series in (None, blob.series_instance_uid)
            and job.instance in (None, blob.sop_instance_uid)
        ]
        reason = Failure("NotDelivered", "no", self.name)
        if self.lacking:
            await worker.publish(running, Lacking(self.lacking, reason), "lacking")
        await worker.ready(running, *blobs)
        failure = Failure.of(self.failure) if self.failure else reason if self.lacking else None
        return RetrieveDone(len(blobs), self.lacking, failure)


class Origins:
    """Three origins, and how to reach them."""

    def __init__(self, bus: Bus, blobs: BlobStore, fakes: Sequence[FakeOrigin]) -> None:
        self._bus = bus
        self.catalogue = Catalogue(blobs)
        self.a, self.b, self.c = fakes
        self._all = fakes

    def federation(
        self, *fakes: FakeOrigin, fresh_seconds: float = 60, hurried: Sequence[FakeOrigin] = ()
    ) -> OpenFederation:
        """A federation of all, or of some of them; no transfer is spared by what is held.

        Those that hang by now, and those to be hurried, are waited for a moment; the others while they take.
        """
        origins = [
            DimseOrigin(
                name=fake.name,
                ae_title="PACS",
                port=104,
                search_seconds=SECONDS if fake.pacs.hangs or fake in hurried else 30.0,
            )
            for fake in fakes or self._all
        ]
        retrieval = Retrieval(self._bus, self.catalogue, 0)
        federation = OpenFederation(self._bus, self.catalogue, retrieval, origins, fresh_seconds)
        federation.everything = Visible(tuple(origin.name for origin in origins))
        return federation


@asynccontextmanager
async def working(bus: Bus, blobs: BlobStore, name: str) -> AsyncIterator[Origins]:
    """Let the workers of three origins work."""
    async with AsyncExitStack() as stack:
        fakes = []
        for letter in "abc":
            worker = await stack.enter_async_context(at_work(bus, f"{name}-{letter}"))
            fakes.append(FakeOrigin(f"{name}-{letter}", worker))
            await fakes[-1].pacs.serve(bus, f"{name}-{letter}")
        yield Origins(bus, blobs, fakes)
        await asyncio.sleep(0)
