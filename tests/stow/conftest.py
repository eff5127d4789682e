"""stow as its clients see it: a real server over real NATS and S3, with a worker that does as it is told."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import httpx2
import pytest

from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus, jobs, streams
from isthmus.common.bus.jobs import Running
from isthmus.common.config import DimseOrigin, Settings
from isthmus.common.messages import Store
from isthmus.common.service import Parts
from isthmus.stow.app import routes
from tests.data_sets import make_series
from tests.stow.payloads import Sent
from tests.stow.worker import Job, Script
from tests.wado.serving import ended, serving


@pytest.fixture
async def client(bus: Bus, blobs: BlobStore, origin_name: str) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of a stow that knows one origin; URLs are relative to the origin."""
    settings = Settings(origins=(DimseOrigin(name=origin_name, ae_title="PACS", port=104),))
    parts = Parts(settings, bus, blobs)
    async with (
        parts.closing,
        serving(routes(parts)) as url,
        httpx2.AsyncClient(base_url=f"{url}/aets/{origin_name}/", timeout=30) as http,
    ):
        yield http


Employ = Callable[[Script], None]


@pytest.fixture
async def employ(bus: Bus, blobs: BlobStore, origin_name: str) -> AsyncIterator[Employ]:
    """Let a script do the origin's store jobs."""
    working: list[asyncio.Task[None]] = []

    def employ(script: Script) -> None:
        async def work(running: Running[Store]) -> None:
            await script(Job(bus, blobs, running.job))
            await running.acknowledge()

        working.append(
            asyncio.create_task(jobs.work(bus, streams.STORES, origin_name, Store, work, at_once=4))
        )

    yield employ
    await ended(working)


@pytest.fixture
async def sent(employ: Employ, blobs: BlobStore) -> Sent:
    """What goes to an origin that takes all."""
    sent = Sent()
    employ(sent.script(blobs))
    return sent


@pytest.fixture(scope="session")
def series(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Three images of one series."""
    return make_series(tmp_path_factory.mktemp("series"), 3)
