"""stow as its clients see it: a real server over real NATS and S3, with a worker that does as it is told."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest

from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus
from isthmus.common.config import DimseOrigin, Settings
from isthmus.common.service import Parts
from isthmus.stow.app import routes
from tests.data_sets import make_series
from tests.stow.payloads import Sent
from tests.stow.worker import Employ, employing
from tests.wado.serving import client_of


@pytest.fixture
async def client(bus: Bus, blobs: BlobStore, origin_name: str) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of a stow that knows one origin; URLs are relative to the origin."""
    settings = Settings(origins=(DimseOrigin(name=origin_name, ae_title="PACS", port=104),))
    parts = Parts(settings, bus, blobs)
    async with client_of(parts, routes, f"/aets/{origin_name}/") as http:
        yield http


@pytest.fixture
async def employ(bus: Bus, blobs: BlobStore, origin_name: str) -> AsyncIterator[Employ]:
    """Let a script do the origin's store jobs."""
    async with employing(bus, blobs, origin_name) as employ:
        yield employ


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
