"""DIMSE clients reach a bucket as if it were a PACS, and what is in it goes to PACS; nothing is copied."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from secrets import token_hex

import pytest

from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus
from isthmus.common.bus.stores import run_store
from isthmus.common.config import DimseOrigin, S3Origin, Settings
from isthmus.common.config.settings import Scp
from isthmus.common.messages import Store
from isthmus.common.service import Parts
from isthmus.dimse_scu.worker import worker as dimse_worker
from isthmus.scp.worker import serving
from isthmus.web_scu.bucket.refresh import Refresher
from isthmus.web_scu.worker import worker
from tests.data_sets import identity, raw_dataset
from tests.peers import Peer, Storescp, findscu, getscu, storescu
from tests.scp.conftest import ANY_PORT
from tests.web_scu.bucket.objects import Archive, study_of


@pytest.fixture
async def called(bus: Bus, blobs: BlobStore, origin: S3Origin) -> AsyncIterator[Peer]:
    """The face, with the bucket behind it."""
    parts = Parts(Settings(scp=Scp(listen=ANY_PORT), origins=(origin,)), bus, blobs)
    async with worker(parts), serving(parts) as running:
        yield Peer(origin.ae_title, "127.0.0.1", running.port)


async def test_a_pacs_gets_what_is_in_a_bucket(
    bus: Bus, refresher: Refresher, archive: Archive, storescp: Storescp, files: list[Path]
) -> None:
    await archive.put(files[:3])
    await refresher.refresh(study_of(files[0]))
    refs = await archive.held(study_of(files[0]))
    name = f"pacs-{token_hex(4)}"
    peer = storescp.peer
    pacs = DimseOrigin(name=name, ae_title=peer.ae_title, host=peer.host, port=peer.port)
    parts = Parts(Settings(origins=(pacs, archive.origin)), bus, archive.blobs)
    async with dimse_worker(parts), run_store(bus, Store(name, token_hex(8), tuple(refs))) as results:
        assert [one.status async for one in results] == [0, 0, 0]
    sent = {identity(file).sop_instance_uid: [raw_dataset(file)] for file in files[:3]}
    assert storescp.datasets() == sent


async def test_a_legacy_client_finds_and_gets_what_is_in_a_bucket(
    archive: Archive, called: Peer, refresher: Refresher, files: list[Path], tmp_path: Path
) -> None:
    await archive.put(files)
    await refresher.refresh(study_of(files[0]))  # a scan may have seen half of it
    study = {"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": study_of(files[0])}
    (match,) = await asyncio.to_thread(findscu, called, {**study, "NumberOfStudyRelatedInstances": ""})
    assert match.NumberOfStudyRelatedInstances == 5
    await asyncio.to_thread(getscu, called, tmp_path, study)
    assert datasets(tmp_path) == sorted(raw_dataset(file) for file in files[:5])


def datasets(directory: Path) -> list[bytes]:
    return sorted(raw_dataset(file) for file in directory.iterdir())


async def test_a_modality_stores_into_a_bucket(archive: Archive, called: Peer, files: list[Path]) -> None:
    await asyncio.to_thread(storescu, called, files)
    for file in files:
        kept = await archive.bucket.get(archive.key_of(file))
        assert raw_dataset(kept) == raw_dataset(file)
