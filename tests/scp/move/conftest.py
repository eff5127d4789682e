"""The face, asked by C-MOVE, in front of an inbox; destinations that take all, and one that does as told."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus
from isthmus.common.config import Inbox, Settings
from isthmus.common.config.destinations import Destination
from isthmus.common.config.settings import Scp
from isthmus.common.service import Parts
from isthmus.scp.worker import Server, serving
from isthmus.web_scu.worker import worker
from tests.common.inbox.studies import arrived, inbox_of
from tests.data_sets import identity, make_series
from tests.peers import Peer, Storescp, free_port
from tests.scp.conftest import ANY_PORT
from tests.scp.move.receiver import Receiver

COUNT = 12


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A study of one series."""
    return make_series(tmp_path_factory.mktemp("moved"), COUNT, seed=71)


@pytest.fixture(scope="session")
def uids(images: list[Path]) -> list[str]:
    """Its SOP Instance UIDs."""
    return [identity(image).sop_instance_uid for image in images]


@pytest.fixture
def inbox(origin_name: str) -> Inbox:
    return inbox_of(origin_name)


@pytest.fixture(scope="session")
def _receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


@pytest.fixture
def receiver(_receiver: Receiver) -> Receiver:
    """A destination that takes what it gets, until told otherwise."""
    _receiver.reset()
    return _receiver


@pytest.fixture
def away() -> str:
    """The AE title of a destination where nobody listens."""
    return "AWAY"


@pytest.fixture
def destinations(storescp: Storescp, receiver: Receiver, away: str) -> tuple[Destination, ...]:
    nobody = Peer(away, "127.0.0.1", free_port())
    return (destination_of(storescp.peer), destination_of(receiver.peer), destination_of(nobody))


def destination_of(peer: Peer, **settings: object) -> Destination:
    address = {"ae_title": peer.ae_title, "host": peer.host, "port": peer.port}
    return Destination.model_validate({**address, "timeout_seconds": 5.0, **settings})


@pytest.fixture
def parts(bus: Bus, blobs: BlobStore, inbox: Inbox, destinations: tuple[Destination, ...]) -> Parts:
    scp = Scp(listen=ANY_PORT, destinations=destinations)
    return Parts(Settings(scp=scp, origins=(inbox,)), bus, blobs)


@pytest.fixture
async def server(parts: Parts, inbox: Inbox, images: list[Path]) -> AsyncIterator[Server]:
    """The face, and the worker of the inbox, which holds the study."""
    await arrived(parts.bus, parts.blobs, inbox.name, images)
    async with worker(parts), serving(parts) as running:
        yield running


@pytest.fixture
def called(server: Server, inbox: Inbox) -> Peer:
    """The inbox, as clients call it."""
    return Peer(inbox.ae_title, "127.0.0.1", server.port)
