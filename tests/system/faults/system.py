"""A running system with two wado and two workers, whose parts a test can kill, and PACS to be killed too."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Final

import urllib3
from minio import Minio
from nats.js.errors import NoKeysError

from isthmus.common.bus import Bus, streams
from isthmus.common.bus.slots import Slot, Slots
from isthmus.common.config.settings import Nats
from isthmus.common.telemetry import SpanRecord, read_spans
from tests.data_sets import identity, raw_dataset
from tests.pacs import Behaviour, FaultyPacs
from tests.peers import eventually, free_ports
from tests.system.faults.client import Answer, Client
from tests.system.faults.sockets import connections
from tests.system.gateway import Gateway
from tests.waiting import PATIENCE

ROOT: Final = Path(__file__).parents[3]
ASSOCIATIONS: Final = 2
ORIGINS: Final = 12
MOVING: Final = "faulty-0"
"""The origin that is asked by C-MOVE; the others are asked by C-GET."""
AE_TITLE: Final = "FAULTY"
LEFT_WITHIN: Final = 15.0
"""What a killed process held is free after ten seconds."""
FREE_WITHIN: Final = 5.0
CLOSED_WITHIN: Final = 15.0
"""An association that nobody uses stays open for ten seconds."""


@dataclass
class Origin:
    """A study at a PACS, as an origin of a system; nothing of it is held at first."""

    system: "FaultySystem"
    name: str
    pacs: FaultyPacs
    images: list[Path]

    @property
    def study(self) -> str:
        return identity(self.images[0]).study_instance_uid

    @property
    def path(self) -> str:
        """The study's."""
        return f"/aets/{self.name}/studies/{self.study}"

    @property
    def held(self) -> dict[str, bytes]:
        """The study's data sets by SOP Instance UID."""
        return {identity(image).sop_instance_uid: raw_dataset(image) for image in self.images}

    def client(self, below: str = "", *, base: str | None = None) -> Client:
        """Begin to retrieve the study, or what the path below it names.

        Args:
            below: the rest of the path.
            base: who is asked; the gateway by default.
        """
        return Client(f"{base or self.system.url}{self.path}{below}")

    def retrieve(self) -> Answer:
        return self.client().answer()

    def is_whole(self, answer: Answer) -> bool:
        """Whether it is the whole study, byte for byte."""
        return (answer.status, answer.whole, answer.datasets) == (200, True, self.held)

    def is_broken(self, answer: Answer) -> bool:
        """Whether the body has no end, and each instance in it is right."""
        return answer.status == 200 and not answer.whole and answer.datasets.items() <= self.held.items()

    def restart(self) -> None:
        """Start the PACS again, where it was before it died; it has no memory of what it did."""
        self.pacs.stop()
        self.pacs = FaultyPacs(self.images, ae_title=AE_TITLE, port=self.pacs.peer.port)


class FaultySystem(Gateway):
    """The whole system, with two wado and two dimse-scu, and a store that can be given less room."""

    COMMAND: ClassVar[Sequence[str]] = (sys.executable, "-m", "tests.system.faults.small_store")

    def __init__(self, directory: Path) -> None:
        """Write its settings; the directory takes them, its data, log and temporary files."""
        self._ports: Final[Mapping[str, int]] = dict(
            zip((f"faulty-{number}" for number in range(ORIGINS)), free_ports(ORIGINS), strict=True)
        )
        self._names = iter([name for name in self._ports if name != MOVING])
        self._origins: Final[list[Origin]] = []
        self.temporary: Final = directory / "temporary"
        self.temporary.mkdir()
        replicas = "[up.replicas]\nwado = 2\ndimse-scu = 2\n"
        origins = "".join(_settings(name, port) for name, port in self._ports.items())
        super().__init__(directory, f"{replicas}{origins}", variables=self._variables())

    def origin(self, images: list[Path], *behaviours: Behaviour, name: str | None = None) -> Origin:
        """Start a PACS that holds a study, as an origin that no other test uses; `name` is one of its own."""
        name = name or next(self._names)
        pacs = FaultyPacs(
            images, *behaviours, ae_title=AE_TITLE, port=self._ports[name], destinations=[self.scp]
        )
        origin = Origin(self, name, pacs, images)
        self._origins.append(origin)
        return origin

    def _variables(self) -> Mapping[str, str]:
        return {"TMPDIR": str(self.temporary), "PYTHONPATH": str(ROOT)}

    def faces(self, name: str) -> dict[int, str]:
        """The process ids of a service, and where each listens."""
        return {pid: f"http://{_environment(pid)['ISTHMUS_HTTP__LISTEN']}" for pid in self.pids[name]}

    def worker_of(self, origin: Origin) -> int:
        """The process id of the worker that works for an origin now."""
        by_worker = {pid: connections(pid, origin.pacs.peer.port) for pid in self.pids["dimse-scu"]}
        return max(by_worker, key=lambda pid: by_worker[pid])

    def only(self, name: str) -> int:
        """The process id of what there is one of."""
        (pid,) = self.pids[name]
        return pid

    @contextmanager
    def restarting(self, name: str) -> Iterator[None]:
        """Wait behind the block until a part that is killed in it is ready again."""
        seen = len(self.stderr)
        yield
        self.wait_for(lambda: self._is_ready(name, seen))

    def _is_ready(self, name: str, seen: int) -> bool:
        return any(name in line and "is ready after" in line for line in self.stderr[seen:])

    def wait_for_log(self, *words: str, seen: int = 0) -> None:
        """Wait until a line of the log has all these words.

        Args:
            words: of one line.
            seen: how many lines are older than what is waited for.
        """
        self.wait_for(lambda: any(all(word in line for word in words) for line in self.stderr[seen:]))

    def wait_for_spans(self, trace_id: str, condition: Callable[[list[SpanRecord]], bool]) -> None:
        """Wait until a trace's spans are such."""
        directory = self.data / "traces"
        found: list[SpanRecord] = []

        def complete() -> bool:
            found[:] = read_spans(directory, trace_id)
            return condition(found)

        assert eventually(complete, timeout_seconds=PATIENCE), [
            (span.service, span.name, span.status, span.message) for span in found
        ]

    def s3(self) -> Minio:
        """A client of the store, which tries once."""
        part = self.run_file.s3
        http = urllib3.PoolManager(timeout=urllib3.Timeout(connect=1, read=5), retries=False)
        return Minio(
            part.endpoint,
            part.access_key,
            part.secret_key,
            secure=False,
            region="us-east-1",
            http_client=http,
        )

    def keys(self, prefix: str) -> list[str]:
        """What the store has under a prefix."""
        objects = self.s3().list_objects(self.run_file.s3.bucket, prefix, recursive=True)
        return [str(item.object_name) for item in objects]

    def check_nothing_is_left(self) -> None:
        """Wait until nothing is locked or under way, and check that nothing lies about."""
        left: dict[str, object] = {}

        def nothing() -> bool:
            left.clear()
            left.update({name: value for name, value in self._left().items() if value})
            return not left

        assert eventually(nothing, timeout_seconds=LEFT_WITHIN), left
        for origin in self._origins:
            origin.pacs.wait_until_closed(timeout_seconds=CLOSED_WITHIN)
            assert origin.pacs.associations_at_once() <= ASSOCIATIONS

    def _left(self) -> dict[str, object]:
        return {
            **asyncio.run(self._left_on_the_bus()),
            "spool": self.keys("spool/"),
            "temporary files": [file.name for file in self.temporary.rglob("*") if file.is_file()],
        }

    async def _left_on_the_bus(self) -> dict[str, object]:
        part = self.run_file.nats
        bus = await Bus.connect(Nats(url=part.url, user=part.user, password=part.password), "test")
        try:
            left: dict[str, object] = {}
            for stream in (streams.JOBS, streams.STORES):
                left[stream] = (await bus.jetstream.stream_info(stream)).state.messages
            guards = await bus.jetstream.key_value(streams.GUARD_BUCKET)
            with suppress(NoKeysError):
                # The sweep of the cache has a guard of its own, as long as anybody runs.
                left["guards"] = [key for key in await guards.keys() if key.partition(".")[0] in self._ports]
            free = await asyncio.gather(*(_all_slots(bus, origin.name) for origin in self._origins))
            left["origins with slots that are not free"] = free.count(False)
        finally:
            await bus.close()
        return left

    def end_pacs(self) -> None:
        """End all PACS."""
        for origin in self._origins:
            origin.pacs.stop()


async def _all_slots(bus: Bus, origin: str) -> bool:
    """Tell whether all the slots of an origin can be had at once; idle associations are given up for them."""
    slots = await Slots.open(bus, origin, ASSOCIATIONS)
    taken: list[Slot] = []
    try:
        with suppress(TimeoutError):
            async with asyncio.timeout(FREE_WITHIN):
                while len(taken) < ASSOCIATIONS:
                    taken.append(await slots.take(1))
        return len(taken) == ASSOCIATIONS
    finally:
        for slot in taken:
            await slot.release()
        await slots.close()


def kill(pid: int) -> None:
    """End a process at once."""
    os.kill(pid, signal.SIGKILL)


@contextmanager
def frozen(pid: int) -> Iterator[None]:
    """Have a process stand still while the block runs."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def _settings(name: str, port: int) -> str:
    method = "c-move" if name == MOVING else "c-get"
    return (
        f'[[origins]]\nname = "{name}"\nae_title = "{AE_TITLE}"\nport = {port}\n'
        f'retrieve = ["{method}"]\ntimeout_seconds = 5\nassociations = {ASSOCIATIONS}\n'
    )


def _environment(pid: int) -> dict[str, str]:
    entries = Path(f"/proc/{pid}/environ").read_text().split("\0")
    return dict(entry.split("=", 1) for entry in entries if "=" in entry)
