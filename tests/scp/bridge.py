"""What is between a DIMSE client and a DICOMweb server: the face and the worker, both in this process."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus
from isthmus.common.config import Settings
from isthmus.common.service import Parts
from isthmus.scp.worker import Server, serving
from isthmus.web_scu.worker import worker
from tests.peers import Peer
from tests.scp.conftest import ANY_PORT

CLOUD = "CLOUD"
"""The AE title by which the server is called."""


@asynccontextmanager
async def bridge(
    bus: Bus, blobs: BlobStore, name: str, url: str, *, destinations: Sequence[Peer] = (), **settings: object
) -> AsyncIterator[Server]:
    """Run them.

    Args:
        bus: for both.
        blobs: for both.
        name: of the origin.
        url: of the server.
        destinations: where C-MOVE may send.
        settings: more of the origin.
    """
    scp = {
        "listen": ANY_PORT,
        "destinations": [
            {"ae_title": one.ae_title, "host": one.host, "port": one.port, "timeout_seconds": 5}
            for one in destinations
        ],
    }
    origin = {"name": name, "protocol": "dicomweb", "ae_title": CLOUD, "url": url, **settings}
    parts = Parts(Settings.model_validate({"scp": scp, "origins": [origin]}), bus, blobs)
    async with worker(parts), serving(parts) as server:
        yield server
