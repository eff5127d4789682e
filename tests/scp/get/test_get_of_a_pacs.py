"""C-GET of what a PACS holds, beside what its own DIMSE port does."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus
from isthmus.common.config import DimseOrigin, Settings
from isthmus.common.config.settings import Scp
from isthmus.common.service import Parts
from isthmus.dimse_scu.worker import worker
from isthmus.scp.worker import Server, serving
from tests.data_sets import Listing, raw_dataset
from tests.peers import Orthanc, Peer, getscu
from tests.scp.conftest import ANY_PORT


@pytest.fixture
async def server(bus: Bus, blobs: BlobStore, origin_name: str, orthanc: Orthanc) -> AsyncIterator[Server]:
    """The face and the worker, with Orthanc behind."""
    pacs = orthanc.peer
    origin = DimseOrigin(name=origin_name, ae_title=pacs.ae_title, host=pacs.host, port=pacs.port)
    parts = Parts(Settings(scp=Scp(listen=ANY_PORT), origins=(origin,)), bus, blobs)
    async with worker(parts), serving(parts) as running:
        yield running


@pytest.fixture
def called(server: Server, orthanc: Orthanc) -> Peer:
    return Peer(orthanc.peer.ae_title, "127.0.0.1", server.port)


def keys_of(listing: Listing, level: str) -> dict[str, str]:
    """Give what to ask for: of the study that has most series."""
    study = max(listing, key=lambda uid: (len(listing[uid]), sum(map(len, listing[uid].values()))))
    series = max(listing[study], key=lambda uid: len(listing[study][uid]))
    keys = {"StudyInstanceUID": study}
    if level != "STUDY":
        keys["SeriesInstanceUID"] = series
    if level == "IMAGE":
        keys["SOPInstanceUID"] = min(listing[study][series])
    return {"QueryRetrieveLevel": level, **keys}


@pytest.mark.parametrize("level", ["STUDY", "SERIES", "IMAGE"])
async def test_dcmtk_gets_the_same_as_from_the_pacs_itself(
    called: Peer, orthanc: Orthanc, tmp_path: Path, level: str
) -> None:
    keys = keys_of(orthanc.listing(), level)
    theirs, ours = tmp_path / "theirs", tmp_path / "ours"
    for directory in (theirs, ours):
        directory.mkdir()
    direct = await asyncio.to_thread(getscu, orthanc.peer, theirs, keys)
    through = await asyncio.to_thread(getscu, called, ours, keys)
    assert through.code == direct.code == 0, through.log
    came = await asyncio.to_thread(_data_sets, ours)
    assert came == await asyncio.to_thread(_data_sets, theirs)
    assert came


def _data_sets(directory: Path) -> list[bytes]:
    return sorted(raw_dataset(file) for file in directory.iterdir())
