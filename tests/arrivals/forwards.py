"""An inbox whose studies go to a destination, and a worker of that destination that does as it is told."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Final, Literal, TypeVar
from uuid import uuid4

from nats.js.errors import NotFoundError

from isthmus.arrivals.forwarding import forwarding
from isthmus.arrivals.forwarding.destinations import Pace
from isthmus.arrivals.forwarding.routing import CONSUMER
from isthmus.common.blobs import BlobStore, inbox_key
from isthmus.common.bus import Bus, jobs, streams, subjects
from isthmus.common.bus.consumer import has_passed
from isthmus.common.bus.dead import Buried, letters
from isthmus.common.bus.events import publish_event
from isthmus.common.bus.forwards import ForwardedStudies, is_pending
from isthmus.common.bus.jobs import Running
from isthmus.common.config import DimseOrigin, Inbox, Settings
from isthmus.common.config.arriving import Arrivals
from isthmus.common.config.origins import Protocol
from isthmus.common.inbox.contents import ContentsStore
from isthmus.common.messages import BlobRef, Echo, EchoDone, Failure, Store
from isthmus.common.messages.events import (
    Blob,
    CloudEvent,
    EventType,
    InstanceBlob,
    InstanceEvent,
    Reason,
    SeriesCount,
    StudyEvent,
)
from isthmus.common.service import Parts
from tests.common.inbox.studies import arrived
from tests.stow.worker import Job, Script, stores
from tests.wado.serving import ended
from tests.waiting import PATIENCE, until

QUICK: Final = Pace(away=0.02, away_longest=0.1, refused=0.02, refused_longest=0.1)
CT: Final = "1.2.840.10008.5.1.4.1.1.2"
SYNTAX: Final = "1.2.840.10008.1.2.1"
TIME: Final = "2026-01-01T00:00:00Z"

REFUSED: Final = Failure("OperationFailed", "0xA900", "pacs", 0xA900, "C-STORE")
UNREACHABLE: Final = Failure("OriginUnreachable", "", "pacs")


T = TypeVar("T")


class Taken:
    """What a destination got, job by job."""

    def __init__(self) -> None:
        self.jobs: list[list[str]] = []
        self._news: asyncio.Queue[list[str]] = asyncio.Queue()

    async def next(self) -> list[str]:
        """Give the SOP Instance UIDs of the next job."""
        async with asyncio.timeout(PATIENCE):
            return await self._news.get()

    def note(self, refs: tuple[BlobRef, ...]) -> None:
        """Take note of a job."""
        instances = [ref.sop_instance_uid for ref in refs]
        self.jobs.append(instances)
        self._news.put_nowait(instances)


class Site:
    """An inbox, a destination, and what goes from here to there."""

    def __init__(self, bus: Bus, blobs: BlobStore, inbox: str) -> None:
        self.bus = bus
        self.blobs = blobs
        self.inbox = inbox
        self.destination = f"pacs-{uuid4().hex[:12]}"
        self.study = f"1.2.{uuid4().int}"
        self._workers: list[asyncio.Task[None]] = []

    def settings(
        self, *rules: dict[str, Any], others: tuple[str, ...] = (), max_attempts: int = 3, **inbox: object
    ) -> Settings:
        """Give the settings; a rule is of this inbox and for the destination if it names none."""
        named = [{"inbox": self.inbox, "to": (self.destination,), **rule} for rule in rules]
        pacs = [DimseOrigin(name=name, ae_title="PACS", port=104) for name in (self.destination, *others)]
        inboxes = (
            Inbox.model_validate({"name": self.inbox, "protocol": "inbox", "ae_title": "INBOX", **inbox}),
            Inbox(name=f"other-{self.inbox}", protocol=Protocol.INBOX, ae_title="OTHER"),
        )
        arrivals = Arrivals.model_validate({"forward": named, "max_attempts": max_attempts})
        return Settings(arrivals=arrivals, origins=(*inboxes, *pacs))

    @asynccontextmanager
    async def forwarding(
        self,
        *rules: dict[str, Any],
        bus: Bus | None = None,
        others: tuple[str, ...] = (),
        max_attempts: int = 3,
    ) -> AsyncIterator[None]:
        """Forward by rules, without long pauses."""
        settings = self.settings(*(rules or ({},)), others=others, max_attempts=max_attempts)
        parts = Parts(settings, bus or self.bus, self.blobs)
        async with forwarding(parts, QUICK):
            yield

    async def forget_place(self) -> None:
        """Begin with events of now: other tests have theirs in the same stream."""
        with suppress(NotFoundError):
            await self.bus.jetstream.delete_consumer(streams.EVENTS, CONSUMER)

    def employ(self, script: Script = stores, destination: str | None = None) -> Taken:
        """Let a script do a destination's store jobs."""
        taken = Taken()

        async def work(running: Running[Store]) -> None:
            taken.note(running.job.blobs)
            await script(Job(self.bus, self.blobs, running.job))
            await running.acknowledge()

        name = destination or self.destination
        self._workers.append(
            asyncio.create_task(jobs.work(self.bus, streams.STORES, name, Store, work, at_once=4))
        )
        return taken

    async def answer_echo(self) -> None:
        """Let the destination answer a C-ECHO."""

        async def echo(_: Echo) -> EchoDone:
            return EchoDone(1.0)

        await self.bus.serve(subjects.echo(self.destination), "workers", echo, Echo)

    async def dismiss(self) -> None:
        """Let all workers go."""
        await ended(self._workers)
        self._workers.clear()

    def ref(self, number: int, series: str = "1") -> BlobRef:
        """Refer to an instance; nobody here looks into the blob."""
        series_uid, uid = f"{self.study}.{series}", f"{self.study}.{series}.{number}"
        key = inbox_key(self.inbox, self.study, series_uid, uid, "d")
        return BlobRef(self.blobs.bucket, key, 100, self.study, series_uid, uid, CT, SYNTAX)

    async def announce(self, *refs: BlobRef, revision: int = 1, event_id: str = "", **data: object) -> str:
        """Publish that the study arrived, or got more; gives the event's id."""
        blobs = tuple(
            InstanceBlob(
                ref.bucket,
                ref.key,
                ref.size,
                ref.series_instance_uid,
                ref.sop_instance_uid,
                ref.sop_class_uid,
                ref.transfer_syntax_uid,
                "d",
            )
            for ref in refs
        )
        kind = EventType.STUDY_ARRIVED if revision == 1 else EventType.STUDY_AMENDED
        event: dict[str, Any] = {
            "origin": self.inbox,
            "study": self.study,
            "revision": revision,
            "instances": len(refs),
            "size": 100 * len(refs),
            "complete": "assumed",
            "reason": Reason.QUIET,
            "url": "http://127.0.0.1/aets/inbox/studies/1",
            "series": (
                SeriesCount(f"{self.study}.1", "CT", 1, 1),
                SeriesCount(f"{self.study}.2", "MR", 1, 1),
            ),
            "modalities": {"CT": 1, "MR": 1},
            "attributes": {},
            "blobs": blobs,
            **data,
        }
        event_id = event_id or uuid4().hex
        await publish_event(self.bus, CloudEvent(event_id, kind, StudyEvent(**event), TIME))
        return event_id

    async def store(
        self, ref: BlobRef, modality: str = "CT", conflict: Literal["newest", "first"] | None = None
    ) -> None:
        """Publish that an instance is there."""
        event = InstanceEvent(
            origin=self.inbox,
            study=self.study,
            series=ref.series_instance_uid,
            instance=ref.sop_instance_uid,
            sop_class=CT,
            transfer_syntax=SYNTAX,
            digest="d",
            blob=Blob(ref.bucket, ref.key, ref.size),
            url="http://127.0.0.1/aets/inbox/studies/1",
            attributes={"00080060": {"vr": "CS", "Value": [modality]}},
            conflict=conflict,
        )
        await publish_event(self.bus, CloudEvent(uuid4().hex, EventType.INSTANCE_STORED, event, TIME))

    async def done(self) -> None:
        """Wait until nothing of the study is on its way any more."""
        await until(lambda: is_pending(self.bus, self.inbox, self.study), lambda pending: not pending)

    async def noted(self) -> None:
        """Wait until it is written down that the study goes to the destination."""
        studies = ForwardedStudies(self.bus)
        await until(
            lambda: studies.get(self.inbox, self.study, self.destination), lambda noted: noted.revision
        )

    async def routed(self) -> None:
        """Wait until every event has been looked at."""

        last = (await self.bus.jetstream.stream_info(streams.EVENTS)).state.last_seq
        await until(lambda: has_passed(self.bus, streams.EVENTS, CONSUMER, last))

    async def dead(self) -> list[Buried]:
        """Give the dead letters of the destination."""
        return [buried async for buried in letters(self.bus, self.destination)]


@asynccontextmanager
async def site_of(bus: Bus, blobs: BlobStore, origin_name: str) -> AsyncIterator[Site]:
    """Give a site whose forwarding begins with events of now; it leaves no place behind."""
    site = Site(bus, blobs, origin_name)
    await site.forget_place()
    yield site
    await site.forget_place()
    await site.dismiss()


def uids(*refs: BlobRef) -> list[str]:
    """Give the SOP Instance UIDs."""
    return [ref.sop_instance_uid for ref in refs]


async def refs_of(site: Site, series: list[Path]) -> list[BlobRef]:
    """Let a study be in the inbox, and give what its list names."""
    (state,) = await arrived(site.bus, site.blobs, site.inbox, series)
    site.study = state.study
    contents = await ContentsStore(site.blobs).load(state.contents)
    return [row.blob for row in contents.rows.values()]
