"""C-GET of what a PACS holds, beside what its own DIMSE port does."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus
from isthmus.common.config import Settings
from isthmus.common.config.origins import AnyOrigin
from isthmus.common.config.settings import Scp
from isthmus.common.service import Parts
from isthmus.dimse_scu.worker import worker
from isthmus.scp.worker import Server, serving
from isthmus.web_scu.worker import worker as web_worker
from tests.data_sets import Listing, identity, raw_dataset
from tests.peers import Orthanc, Peer, getscu
from tests.scp.conftest import ANY_PORT
from tests.scp.retrieving.archive import assert_same, origin

__all__ = ["origin"]  # a fixture


@pytest.fixture
async def server(bus: Bus, blobs: BlobStore, origin: AnyOrigin) -> AsyncIterator[Server]:
    """The face and the workers, with Orthanc behind."""
    parts = Parts(Settings(scp=Scp(listen=ANY_PORT), origins=(origin,)), bus, blobs)
    async with worker(parts), web_worker(parts), serving(parts) as running:
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
    expected = await asyncio.to_thread(_data_sets, theirs)
    await asyncio.to_thread(assert_same, await asyncio.to_thread(_data_sets, ours), expected, orthanc)
    assert expected


def _data_sets(directory: Path) -> dict[str, list[bytes]]:
    return {identity(file).sop_instance_uid: [raw_dataset(file)] for file in directory.iterdir()}
