"""The worker in this process, on a real bus and store, in front of a PACS that misbehaves as told."""

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus
from isthmus.common.config import DimseOrigin, RetrieveMethod, Settings
from isthmus.common.config.settings import Scp
from isthmus.common.messages import Retrieve
from isthmus.common.service import Parts
from isthmus.dimse_scu.worker import worker
from tests.common.retrieving.whole import Reader
from tests.data_sets import identity, make_series
from tests.dimse_scu.changing import Changing
from tests.pacs import FaultyPacs

COUNT = 12


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A study of one series."""
    return make_series(tmp_path_factory.mktemp("study"), COUNT)


@pytest.fixture(scope="session")
def study(images: list[Path]) -> str:
    """Its Study Instance UID."""
    return identity(images[0]).study_instance_uid


@pytest.fixture(scope="session")
def series(images: list[Path]) -> str:
    """Its Series Instance UID."""
    return identity(images[0]).series_instance_uid


@pytest.fixture(scope="session")
def uids(images: list[Path]) -> list[str]:
    """Its SOP Instance UIDs."""
    return [identity(image).sop_instance_uid for image in images]


@pytest.fixture(scope="session")
def _pacs(images: list[Path]) -> Iterator[FaultyPacs]:
    with FaultyPacs(images) as pacs:
        yield pacs


@pytest.fixture
def pacs(_pacs: FaultyPacs) -> FaultyPacs:
    """A PACS that holds the study, and behaves until told otherwise."""
    return _pacs.renewed()


class Serve:
    """Starts workers for the PACS under a name, with settings of their own; they end with the test."""

    def __init__(self, bus: Bus, blobs: BlobStore, pacs: FaultyPacs) -> None:
        self._bus = bus
        self._blobs = blobs
        self._pacs = pacs
        self._stack = AsyncExitStack()

    async def __call__(self, name: str, **settings: object) -> DimseOrigin:
        """Start one."""
        return await self._stack.enter_async_context(self.one(name, **settings))

    async def end(self) -> None:
        """Stop all of them."""
        await self._stack.aclose()

    @asynccontextmanager
    async def one(self, name: str, **settings: object) -> AsyncIterator[DimseOrigin]:
        """Run one inside a block, and stop it as a signal does."""
        common = {"name": name, "ae_title": self._pacs.peer.ae_title, "port": self._pacs.peer.port}
        patience = {"retrieve": [RetrieveMethod.C_GET], "timeout_seconds": 20}
        origin = DimseOrigin.model_validate({**common, **patience, **settings})
        parts = Parts(Settings(origins=(origin,), scp=Scp(ae_title="ISTHMUS")), self._bus, self._blobs)
        async with worker(parts):
            yield origin


@pytest.fixture
async def serve(bus: Bus, blobs: BlobStore, pacs: FaultyPacs) -> AsyncIterator[Serve]:
    starter = Serve(bus, blobs, pacs)
    yield starter
    await starter.end()


@pytest.fixture
async def origin(serve: Serve, origin_name: str) -> DimseOrigin:
    """The PACS as an origin that a worker serves, by C-GET alone."""
    return await serve(origin_name)


@pytest.fixture
async def impatient(serve: Serve, origin_name: str) -> DimseOrigin:
    """The PACS as an origin for which nobody waits long."""
    return await serve(origin_name, timeout_seconds=3)


@pytest.fixture
def read(bus: Bus, blobs: BlobStore) -> Reader:
    """Reads all of something, as a face does."""
    return Reader(bus, blobs)


@pytest.fixture
def wanted(origin: DimseOrigin, study: str) -> Retrieve:
    """The study."""
    return Retrieve(origin.name, study)


@pytest.fixture
def one(wanted: Retrieve, series: str, uids: list[str]) -> Retrieve:
    """An instance of it."""
    return Retrieve(wanted.origin, wanted.study, series, uids[3])


@pytest.fixture(scope="session")
def two_series(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A study of two series, of 4 and 3 instances."""
    directory = tmp_path_factory.mktemp("two-series")
    first = make_series(directory, 4, seed=70)
    second = make_series(directory, 3, seed=71, study_uid=identity(first[0]).study_instance_uid)
    return [*first, *second]


@pytest.fixture
def changing(two_series: list[Path]) -> Iterator[Changing]:
    pacs = Changing(two_series)
    yield pacs
    pacs.now.stop()


@pytest.fixture
async def changed(serve: Serve, origin_name: str, changing: Changing, two_series: list[Path]) -> Retrieve:
    """A whole study of it."""
    await serve(origin_name, port=changing.port)
    return Retrieve(origin_name, identity(two_series[0]).study_instance_uid)
