"""wado as its clients see it: a real server over real NATS and S3, with a worker that does as it is told."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2
import pytest

from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus, jobs, streams
from isthmus.common.bus.jobs import Running
from isthmus.common.config import DimseOrigin, Settings
from isthmus.common.config.settings import Nats
from isthmus.common.messages import Retrieve
from isthmus.common.pixels.processes import PixelProcesses
from isthmus.common.service import Parts
from isthmus.wado.app import routes
from tests.data_sets import make_series
from tests.wado.serving import client_of, ended
from tests.wado.worker import Job, Script


class ReusedProcesses(PixelProcesses):
    """Hands idle processes on to the next test: it takes a second to start one."""

    everyone = PixelProcesses(1, 60)

    def __init__(self, processes: int, timeout_seconds: float) -> None:
        super().__init__(processes, timeout_seconds)
        self._idle = self.everyone._idle

    def close(self) -> None:
        self._idle = []
        super().close()


@pytest.fixture(scope="session")
def _reused_processes() -> Iterator[None]:
    yield
    ReusedProcesses.everyone.close()


@pytest.fixture(autouse=True)
def _reuse_processes(_reused_processes: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("isthmus.wado.app.PixelProcesses", ReusedProcesses)


@asynccontextmanager
async def replica(bus: Bus, blobs: BlobStore, origin_name: str) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of a wado that knows one origin."""
    settings = Settings(origins=(DimseOrigin(name=origin_name, ae_title="PACS", port=104),))
    parts = Parts(settings, bus, blobs)
    async with client_of(parts, routes) as http:
        yield http


def at_studies(http: httpx2.AsyncClient, origin_name: str) -> httpx2.AsyncClient:
    """Make URLs relative to the origin's studies."""
    http.base_url = http.base_url.join(f"/aets/{origin_name}/studies/")
    return http


@pytest.fixture
async def gateway(bus: Bus, blobs: BlobStore, origin_name: str) -> AsyncIterator[httpx2.AsyncClient]:
    async with replica(bus, blobs, origin_name) as http:
        yield http


@pytest.fixture
async def client(gateway: httpx2.AsyncClient, origin_name: str) -> httpx2.AsyncClient:
    """URLs are relative to the origin's studies."""
    return at_studies(gateway, origin_name)


@pytest.fixture
async def other_client(
    nats_settings: Nats, blobs: BlobStore, origin_name: str
) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of another replica, with a connection to the bus of its own."""
    bus = await Bus.connect(nats_settings, "test")
    async with replica(bus, blobs, origin_name) as http:
        yield at_studies(http, origin_name)
    await bus.close()


Employ = Callable[[Script], None]


@pytest.fixture
async def employ(bus: Bus, blobs: BlobStore, origin_name: str) -> AsyncIterator[Employ]:
    """Let a script do the origin's retrieve jobs."""
    working: list[asyncio.Task[None]] = []

    def employ(script: Script) -> None:
        async def work(running: Running[Retrieve]) -> None:
            await script(Job(bus, blobs, running))
            await running.acknowledge()

        working.append(
            asyncio.create_task(jobs.work(bus, streams.JOBS, origin_name, Retrieve, work, at_once=4))
        )

    yield employ
    await ended(working)


@pytest.fixture(scope="session")
def series(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Three images of one series."""
    return make_series(tmp_path_factory.mktemp("series"), 3)
