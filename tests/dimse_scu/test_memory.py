"""A large instance passes in both directions, and the worker never holds it."""

import asyncio
from pathlib import Path
from secrets import token_hex

import pytest

from isthmus.common.blobs import BlobStore, digest_of
from isthmus.common.bus import Bus, subjects
from isthmus.common.bus.stores import run_store
from isthmus.common.config.settings import S3, Nats
from isthmus.common.errors import NoWorker
from isthmus.common.messages import Echo, EchoDone, Retrieve, Store
from isthmus.common.retrieval import Retrieval
from tests.data_sets import identity, make_series, raw_dataset
from tests.dimse_scu.processes import workers_of
from tests.dimse_scu.test_store import spooled
from tests.pacs import FaultyPacs
from tests.waiting import PATIENCE

MIB = 1024 * 1024
GROWTH = 32 * MIB
"""Half of the instance; a worker that held it as a whole would need twice as much."""


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """An instance of 64 MiB."""
    (file,) = make_series(tmp_path, 1, rows=4096, columns=8192, seed=1)
    return file


async def serving(bus: Bus, name: str) -> None:
    """Wait for a worker that has just been started."""
    while True:
        try:
            await bus.request(subjects.echo(name), Echo(name), EchoDone)
        except NoWorker:
            await asyncio.sleep(0.1)
        else:
            return


async def test_a_large_instance_passes_in_both_directions(
    bus: Bus,
    blobs: BlobStore,
    retrieval: Retrieval,
    nats_settings: Nats,
    s3_settings: S3,
    origin_name: str,
    images: list[Path],
    study: str,
    large: Path,
) -> None:
    with (
        FaultyPacs([*images, large]) as pacs,
        workers_of(nats_settings, s3_settings, origin_name, pacs) as workers,
    ):
        worker = workers.start()
        async with asyncio.timeout(PATIENCE):
            await serving(bus, origin_name)
            async with retrieval.read(Retrieve(origin_name, study)) as instances:
                assert [blob async for blob in instances]  # what a worker loads for anything does not count
            before = worker.peak_memory()
            wanted = Retrieve(origin_name, identity(large).study_instance_uid)
            async with retrieval.read(wanted) as instances:
                (blob,) = [blob async for blob in instances]
            assert worker.peak_memory() - before < GROWTH
            assert digest_of(raw_dataset(await blobs.get(blob.key))) == digest_of(raw_dataset(large))
            refs = await spooled(blobs, [large])
            async with run_store(bus, Store(origin_name, token_hex(8), refs)) as results:
                assert [result.status async for result in results] == [0]
            assert worker.peak_memory() - before < GROWTH
            assert pacs.stored() == {identity(large).sop_instance_uid: [raw_dataset(large)]}
