"""The worker in this process, on a real bus and store, in front of Orthanc's DICOMweb plugin."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus
from isthmus.common.config import DicomwebOrigin, Settings
from isthmus.common.config.settings import Search
from isthmus.common.service import Parts
from isthmus.web_scu.worker import worker
from tests.common.webclient.web_origin import Site
from tests.peers import Orthanc
from tests.web_scu.dicomweb.archive import Archive, instances


class Serve:
    """Starts workers for DICOMweb servers; they end with the test."""

    def __init__(self, bus: Bus, blobs: BlobStore, stack: AsyncExitStack) -> None:
        self._bus = bus
        self._blobs = blobs
        self._stack = stack
        self.search = Search()
        """The limits of searches."""

    async def __call__(self, name: str, url: str, **settings: object) -> DicomwebOrigin:
        """Start one."""
        return await self._stack.enter_async_context(self.one(name, url, **settings))

    @asynccontextmanager
    async def one(self, name: str, url: str, **settings: object) -> AsyncIterator[DicomwebOrigin]:
        """Run one inside a block, and stop it as a signal does."""
        given = {
            "name": name,
            "protocol": "dicomweb",
            "url": url,
            "ae_title": "CLOUD",
            "timeout_seconds": 600,
        }
        origin = DicomwebOrigin.model_validate({**given, **settings})
        async with worker(Parts(Settings(origins=(origin,), search=self.search), self._bus, self._blobs)):
            yield origin


@pytest.fixture
async def serve(bus: Bus, blobs: BlobStore) -> AsyncIterator[Serve]:
    async with AsyncExitStack() as stack:
        yield Serve(bus, blobs, stack)


def dicomweb_of(orthanc: Orthanc) -> str:
    """Give the base URL of its plugin."""
    return f"{orthanc.url}/dicom-web"


@pytest.fixture
async def cloud(serve: Serve, origin_name: str, orthanc: Orthanc) -> DicomwebOrigin:
    """An Orthanc that holds the corpus."""
    return await serve(origin_name, dicomweb_of(orthanc))


@pytest.fixture
def archive() -> Archive:
    """A server with 12 studies, each of three series of two instances."""
    return Archive(instances(12, 3, 2))


@pytest.fixture
async def site(archive: Archive) -> AsyncIterator[Site]:
    """Where it listens."""
    async with Site().listening() as site:
        site.does(archive)
        yield site


@pytest.fixture
async def origin(serve: Serve, origin_name: str, site: Site) -> DicomwebOrigin:
    """The server as an origin that a worker serves."""
    return await serve(origin_name, site.url)
