"""A folder of DICOM files as an origin: the worked example of docs/extend.md, which shows parts of it."""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from pydicom import dcmread
from pydicom.errors import InvalidDicomError

from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus, MatchWriter, end_tasks, serve_queries, streams
from isthmus.common.bus.echo import serve_echo
from isthmus.common.bus.jobs import Lane, work
from isthmus.common.dicom.attributes import tag_of
from isthmus.common.dicom.json_model import DicomJson, dataset_to_json
from isthmus.common.dicom.json_values import first_text
from isthmus.common.dicom.levels import Level
from isthmus.common.dicom.matching import Matcher
from isthmus.common.dicom.raw_bytes import RawBytes
from isthmus.common.dicom.search_attributes import UNIQUE_KEYS
from isthmus.common.dicom.statuses import UNABLE_TO_PROCESS
from isthmus.common.errors import IsthmusError, OperationFailed, OriginCancelled, OriginUnreachable
from isthmus.common.messages import Echo, EchoDone, Failure, Query, Retrieve
from isthmus.common.retrieving import RetrieveWork
from isthmus.common.retrieving.ask import Ask
from isthmus.common.retrieving.delivery import Delivery
from isthmus.common.retrieving.listing import Listed, ListedSeries, Listing
from isthmus.common.retrieving.wording import Wording
from isthmus.common.threads import Threads

R = TypeVar("R")
AT_ONCE: Final = 2
_MODALITY, _SOP_CLASS = tag_of("Modality"), tag_of("SOPClassUID")


@dataclass(frozen=True, slots=True)
class Instance:
    """A file, and what it says of itself."""

    file: Path
    attributes: DicomJson

    def uid(self, level: Level) -> str:
        """Give its UID at a level."""
        return first_text(self.attributes, UNIQUE_KEYS[level])


class Folder:
    """The files of an origin; read anew for each question, so that what was copied in is found."""

    def __init__(self, name: str, path: Path) -> None:
        self.name = name
        self.threads = Threads(f"folder-{name}", AT_ONCE)
        self._path = path

    async def instances(self) -> list[Instance]:
        """Read all of them.

        Raises:
            OriginUnreachable: there is no such folder.
            OperationFailed: a file cannot be read; a part of a list is no list.
        """
        return await self.threads.run(self._read)

    def _read(self) -> list[Instance]:
        if not self._path.is_dir():
            raise OriginUnreachable("There is no such folder", origin=self.name)
        return [self._instance(file) for file in sorted(self._path.rglob("*.dcm"))]

    def _instance(self, file: Path) -> Instance:
        try:
            attributes, _ = dataset_to_json(dcmread(file, stop_before_pixels=True))
        except (OSError, InvalidDicomError):
            detail = "A file cannot be read, or is no DICOM"
            raise OperationFailed(detail, origin=self.name, status=UNABLE_TO_PROCESS) from None
        return Instance(file, attributes)


class Search:
    """Answers `dicom.query`: adds what matches, or raises why it cannot tell."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder

    async def __call__(self, query: Query, writer: MatchWriter) -> None:
        """Search one level: each study, series or instance once."""
        matcher = Matcher(query.keys, fuzzy=query.fuzzy)
        asked = {path[0] for path in query.return_keys}
        asked.update(tag for level, tag in UNIQUE_KEYS.items() if level <= query.level)
        seen: set[str] = set()
        for one in await self._folder.instances():
            uid = one.uid(query.level)
            if uid not in seen and matcher.matches(one.attributes):
                seen.add(uid)
                await writer.add({tag: value for tag, value in one.attributes.items() if tag in asked})


class Answer:
    """Answers `dicom.echo`: whether the origin is there, and how long it took to find out."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder

    async def __call__(self, _: Echo) -> EchoDone:
        """Look."""
        loop = asyncio.get_running_loop()
        begun, failure = loop.time(), None
        try:
            await self._folder.instances()
        except IsthmusError as error:
            failure = Failure.of(error)
        return EchoDone((loop.time() - begun) * 1000, failure)


class FolderSource:
    """What a retrieve job asks of its origin (`retrieving/source.py`): lists, and ways to pull."""

    timeout_seconds = 30.0
    at_once = AT_ONCE

    def __init__(self, folder: Folder) -> None:
        self._folder = folder

    @property
    def name(self) -> str:
        """As the settings name it."""
        return self._folder.name

    async def list_series(self, wanted: Retrieve, *, priority: int = 0) -> list[ListedSeries]:
        """List the series of a study, or the one that is wanted."""
        there: dict[str, list[Instance]] = {}
        for one in await self._folder.instances():
            series = one.uid(Level.SERIES)
            if one.uid(Level.STUDY) == wanted.study and wanted.series in (None, series):
                there.setdefault(series, []).append(one)
        return [
            ListedSeries(series, first_text(members[0].attributes, _MODALITY), len(members))
            for series, members in there.items()
        ]

    async def list_instances(
        self, wanted: Retrieve, series: ListedSeries, *, instance: str | None = None, priority: int = 0
    ) -> Listing:
        """List the instances of a series, or the one that is named."""
        return {
            one.uid(Level.IMAGE): Listed(
                series.series_instance_uid,
                one.uid(Level.IMAGE),
                first_text(one.attributes, _SOP_CLASS),
                series.modality,
            )
            for one in await self._folder.instances()
            if one.uid(Level.SERIES) == series.series_instance_uid
            and instance in (None, one.uid(Level.IMAGE))
        }

    def pulls(self, _: Retrieve, delivery: Delivery) -> "FolderPulls":
        """Give the one way that there is."""
        return FolderPulls(self._folder, delivery)


class FolderPulls:
    """The ways in which one job retrieves: here one."""

    def __init__(self, folder: Folder, delivery: Delivery) -> None:
        self.cancelled = False
        self.first = Reading(folder, delivery, self)
        self.steps = (self.first,)

    def cancel(self) -> None:
        """Read no more files."""
        self.cancelled = True

    async def listing(self, work: Coroutine[object, object, R]) -> R:
        """Wait for a list."""
        return await work

    async def close(self) -> None:
        """Nothing comes by itself."""


class Reading:
    """Reads files, and delivers them as they are, byte for byte."""

    method = "read"
    last_resort = False

    def __init__(self, folder: Folder, delivery: Delivery, pulls: FolderPulls) -> None:
        self.wording = Wording()
        self._folder = folder
        self._delivery = delivery
        self._pulls = pulls

    def asks_unlisted(self, _: str) -> bool:
        """Ask for anything."""
        return True

    def associations(self, instances: Sequence[Listed]) -> Iterable[Sequence[Listed]]:
        """Ask for all of it at once."""
        yield instances

    async def __call__(self, ask: Ask, *, priority: int = 0) -> int:
        """Deliver what is asked for; it may still be on its way to S3."""
        files = [one.file for one in await self._folder.instances() if _is_asked(one, ask)]
        return await self._folder.threads.run(self._deliver, files)

    def _deliver(self, files: Iterable[Path]) -> int:
        came = 0
        for file in files:
            if self._pulls.cancelled:
                raise OriginCancelled("Nobody waits for it any more", origin=self._folder.name)
            came += self._delivery.take_file(RawBytes(file.read_bytes()))  # waits where S3 is slower
        return came


def _is_asked(one: Instance, ask: Ask) -> bool:
    if ask.level is Level.IMAGE:
        return one.uid(Level.IMAGE) in {listed.sop_instance_uid for listed in ask.instances}
    return one.uid(ask.level) == (ask.study if ask.level is Level.STUDY else ask.series)


@asynccontextmanager
async def folder_worker(bus: Bus, blobs: BlobStore, folder: Folder) -> AsyncIterator[None]:
    """Serve the origin until left; then jobs that run go to another worker."""
    retrieving = RetrieveWork(bus, blobs, FolderSource(folder))
    async with asyncio.TaskGroup() as group:
        answering = (
            await serve_queries(bus, folder.name, Search(folder)),
            await serve_echo(bus, folder.name, Answer(folder)),
        )
        working = [
            group.create_task(
                work(bus, streams.JOBS, folder.name, Retrieve, retrieving, at_once=AT_ONCE, lane=lane)
            )
            for lane in Lane
        ]
        try:
            yield
        finally:
            await asyncio.gather(end_tasks(working), *(one.finish() for one in answering))
            folder.threads.close()
