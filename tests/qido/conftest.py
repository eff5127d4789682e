"""qido as its clients see it, over a real bus, with a worker that answers from memory."""

from collections.abc import AsyncIterator, Iterator

import httpx2
import pytest
from starlette.types import ASGIApp

from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus
from isthmus.common.config import DimseOrigin, Settings
from isthmus.common.config.settings import Search
from isthmus.common.service import Parts
from isthmus.common.service.server import application
from isthmus.common.threads import Threads
from isthmus.qido import held, pages, routes, search
from tests.qido.pacs import Pacs
from tests.waiting import PATIENCE

EXTRAS_SECONDS = 2.0


@pytest.fixture(autouse=True)
def _as_long_as_it_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    """What an answer has where it is had soon, it has on a slow machine too."""
    monkeypatch.setattr(pages, "RECALL_SECONDS", PATIENCE)
    monkeypatch.setattr(search, "COUNTING_SECONDS", EXTRAS_SECONDS)
    monkeypatch.setattr(held, "HELD_SECONDS", EXTRAS_SECONDS)


@pytest.fixture
def unused_blobs() -> Iterator[BlobStore]:
    """A store where nobody listens: searches need none."""
    threads = Threads("unused", 1)
    yield BlobStore("127.0.0.1:1", "", "", "none", threads=threads)
    threads.close()


@pytest.fixture
def app(bus: Bus, unused_blobs: BlobStore, origin_name: str) -> ASGIApp:
    """A qido that knows two origins, and fans out over three parents at most."""
    settings = Settings(
        search=Search(max_matches=20, max_parents=3),
        origins=(
            DimseOrigin(name=origin_name, ae_title="PACS", port=104, timeout_seconds=5),
            DimseOrigin(name="other", ae_title="OTHER", port=104),
        ),
    )
    return application(routes(Parts(settings, bus, unused_blobs)))


@pytest.fixture
async def gateway(app: ASGIApp) -> AsyncIterator[httpx2.AsyncClient]:
    """A client that reaches qido through a gateway on another port."""
    transport = httpx2.ASGITransport(app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://gateway:8080") as http:
        yield http


@pytest.fixture
async def client(app: ASGIApp, origin_name: str) -> AsyncIterator[httpx2.AsyncClient]:
    """The same; URLs are relative to the origin."""
    transport = httpx2.ASGITransport(app)
    async with httpx2.AsyncClient(
        transport=transport, base_url=f"http://gateway:8080/aets/{origin_name}/"
    ) as http:
        yield http


@pytest.fixture
async def pacs(bus: Bus, origin_name: str) -> Pacs:
    """The origin's worker, which holds nothing yet."""
    pacs = Pacs()
    await pacs.serve(bus, origin_name)
    return pacs
