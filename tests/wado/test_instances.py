"""Opening a series lets the rest of its study follow."""

import asyncio

import pytest
from structlog.testing import capture_logs

from isthmus.common.access.studies import Studies
from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus
from isthmus.common.config import DimseOrigin, Settings
from isthmus.common.derived.images import Images
from isthmus.common.derived.transcoded import Transcoded
from isthmus.common.dicomweb.resource import Resource
from isthmus.common.errors import BusUnavailable
from isthmus.common.federation import Federation
from isthmus.common.pixels.processes import PixelProcesses
from isthmus.common.retrieval import Catalogue, Retrieval
from isthmus.common.threads import Threads
from isthmus.wado.instances import Instances
from isthmus.wado.pictures.pictures import Pictures
from isthmus.wado.pictures.representatives import Representatives
from isthmus.wado.pixels.frame_contents import FrameContents
from isthmus.wado.settings import WadoSettings
from isthmus.wado.sources.derived import Derived
from isthmus.wado.sources.recent import Recent
from isthmus.wado.sources.streams import Streams


class Noted(Retrieval):
    """Takes note of what is to follow, and fails where it is told to."""

    def __init__(self, bus: Bus, catalogue: Catalogue) -> None:
        super().__init__(bus, catalogue, 30)
        self.studies: asyncio.Queue[tuple[str, str]] = asyncio.Queue()
        self.fails = False

    async def prefetch(self, origin: str, study: str) -> None:
        self.studies.put_nowait((origin, study))
        if self.fails:
            raise BusUnavailable("away")


@pytest.fixture
def retrieval(bus: Bus, blobs: BlobStore) -> Noted:
    return Noted(bus, Catalogue(blobs))


@pytest.fixture
def instances(bus: Bus, blobs: BlobStore, retrieval: Noted) -> Instances:
    origins = (
        DimseOrigin(name="all-of-it", ae_title="A", port=104),
        DimseOrigin(name="no-more", ae_title="B", port=104, prefetch=False),
    )
    settings = WadoSettings.of(Settings(origins=origins))
    threads = Threads("test", 1)
    derived, streams = Derived(blobs, threads), Streams(blobs)
    catalogue = Catalogue(blobs)
    federation = Federation(bus, catalogue, retrieval, origins, 0)
    largest, processes = settings.pixels.max_frame_bytes, PixelProcesses(1, 60)
    images = Images(blobs, threads, derived.frame_indexes, derived.kept, largest)
    return Instances(
        settings,
        blobs,
        catalogue,
        retrieval,
        threads,
        derived,
        streams,
        federation,
        images,
        processes,
        FrameContents(images, processes, derived.kept, largest),
        Recent(0),
        Transcoded(blobs, threads, derived.kept, images, processes, largest),
        Pictures(images, processes, derived.kept, largest),
        Representatives(bus, catalogue, federation),
        Studies(bus, 0),
    )


async def test_when_it_cannot_follow_nobody_suffers(instances: Instances, retrieval: Noted) -> None:
    retrieval.fails = True
    with capture_logs() as logs:
        instances.open_series(Resource("all-of-it", "1.2", "1.2.3"))
        await retrieval.studies.get()
    assert [line["reason"] for line in logs] == ["The bus is away"]


async def test_it_follows_where_the_origin_is_set_so(instances: Instances, retrieval: Noted) -> None:
    instances.open_series(Resource("no-more", "1.2", "1.2.3"))
    instances.open_series(Resource("all-of-it", "1.2", "1.2.3"))
    assert await retrieval.studies.get() == ("all-of-it", "1.2")
    assert retrieval.studies.empty()
