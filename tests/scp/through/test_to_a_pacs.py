"""C-STORE through to a PACS: DIMSE on both sides, and not a bit is another."""

import asyncio
import json
from pathlib import Path

from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus
from isthmus.common.config import DimseOrigin, Settings
from isthmus.common.config.settings import Scp
from isthmus.common.service import Parts
from isthmus.dimse_scu.worker import worker
from isthmus.scp.worker import serving
from tests.data_sets import identity, make_series, raw_dataset
from tests.peers import Orthanc, Peer, Storescp, storescu
from tests.scp.conftest import ANY_PORT


def parts_of(bus: Bus, blobs: BlobStore, name: str, peer: Peer) -> Parts:
    origin = DimseOrigin(name=name, ae_title=peer.ae_title, host=peer.host, port=peer.port)
    return Parts(Settings(scp=Scp(listen=ANY_PORT), origins=(origin,)), bus, blobs)


async def test_what_storescu_sends_storescp_gets_bit_for_bit(
    bus: Bus, blobs: BlobStore, origin_name: str, storescp: Storescp, tmp_path: Path
) -> None:
    files = make_series(tmp_path, 3)
    parts = parts_of(bus, blobs, origin_name, storescp.peer)
    async with worker(parts), serving(parts) as server:
        called = Peer(storescp.peer.ae_title, "127.0.0.1", server.port)
        outcome = await asyncio.to_thread(storescu, called, files)
    assert outcome.log.count("Received Store Response (Success)") == len(files), outcome.log
    assert storescp.datasets() == {identity(file).sop_instance_uid: [raw_dataset(file)] for file in files}


async def test_a_pacs_that_is_down_is_told_of(
    bus: Bus, blobs: BlobStore, origin_name: str, tmp_path: Path
) -> None:
    files = make_series(tmp_path, 1)
    parts = parts_of(bus, blobs, origin_name, Peer("NOBODY", "127.0.0.1", 1))
    async with worker(parts), serving(parts) as server:
        outcome = await asyncio.to_thread(storescu, Peer("NOBODY", "127.0.0.1", server.port), files)
    assert "Received Store Response (Error: CannotUnderstand)" in outcome.log, outcome.log


async def test_orthanc_sends_through_to_another(
    bus: Bus, blobs: BlobStore, origin_name: str, empty_orthanc: Orthanc, storescp: Storescp, tmp_path: Path
) -> None:
    """Orthanc as modality proposes what DCMTK's storescu does not."""
    files = make_series(tmp_path, 2)
    await asyncio.to_thread(empty_orthanc.load, files)
    parts = parts_of(bus, blobs, origin_name, storescp.peer)
    async with worker(parts), serving(parts) as server:
        called = Peer(storescp.peer.ae_title, "127.0.0.1", server.port)
        await asyncio.to_thread(empty_orthanc.add_destination, called)
        identifiers = list(await asyncio.to_thread(empty_orthanc.held))
        body = json.dumps(identifiers).encode()
        path = f"/modalities/{called.ae_title}/store"
        await asyncio.to_thread(empty_orthanc._request, "POST", path, body)
    assert set(storescp.datasets()) == {identity(file).sop_instance_uid for file in files}
